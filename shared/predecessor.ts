import { z } from "zod";
import { Uuid } from "./fields.ts";
import { TaskStatus } from "./task-status.ts";

/** Body of `POST /get-predecessor-output`. */
export const PredecessorRequest = z.object({ task_id: Uuid });
export type PredecessorRequest = z.infer<typeof PredecessorRequest>;

const Predecessor = z.looseObject({
  predecessor_id: z.guid(),
  /** Null until the predecessor is Complete. */
  output_location: z.string().nullable(),
  /** Null when there is no such task of the same owner. */
  status: TaskStatus.nullable(),
});

/** Reply of `POST /get-predecessor-output`; null = the task waits for none. */
export const PredecessorReply = Predecessor.extend({
  /** Every dependency, the one above first. */
  predecessors: z.array(Predecessor).min(1),
}).nullable();
export type PredecessorReply = z.infer<typeof PredecessorReply>;
