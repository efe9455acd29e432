import { z } from "zod";
import { optional, Uuid } from "./fields.ts";
import { TaskStatus } from "./task-status.ts";

const PLACE_RULE = "must be an integer of at least 0";
const PLACE = z.int32({ error: PLACE_RULE }).min(0, { error: PLACE_RULE });

/** Body of `POST /get-predecessor-output`. */
export const PredecessorRequest = z.object({
  task_id: Uuid,
  /** Of a segment that is made once more: its parent's record, its place. */
  parent_generation_id: optional(Uuid),
  child_order: optional(PLACE),
});
export type PredecessorRequest = z.infer<typeof PredecessorRequest>;

const Predecessor = z.looseObject({
  predecessor_id: z.guid(),
  /** Null until the predecessor is Complete. */
  output_location: z.string().nullable(),
  /** Null when there is no such task of the same owner. */
  status: TaskStatus.nullable(),
});

/**
 * Reply of `POST /get-predecessor-output`; null = the task waits for none. Who
 * sends a place gets nulls instead where there is nothing before it.
 */
export const PredecessorReply = z.looseObject({
  /** A task, or a result record when `lookup_method` says so. */
  predecessor_id: z.guid().nullable(),
  output_location: z.string().nullable(),
  status: TaskStatus.nullable(),
  /** Every dependency, the one above first. */
  predecessors: z.array(Predecessor),
  all_complete: z.boolean(),
  lookup_method: z.enum(["dependency", "generation_sibling"]).nullable(),
}).nullable();
export type PredecessorReply = z.infer<typeof PredecessorReply>;
