import { z } from "zod";
import { optional, Uuid } from "./fields.ts";
import { TaskStatus } from "./task-status.ts";

const PLACE_RULE = "must be an integer of at least 0";
const PLACE = z.int32({ error: PLACE_RULE }).min(0, { error: PLACE_RULE });

/** Body of `POST /get-predecessor-output`. */
export const PredecessorRequest = z.object({
  task_id: Uuid,
  parent_generation_id: optional(Uuid).describe(
    "For a segment that is made again: the result record of its parent",
  ),
  child_order: optional(PLACE).describe("… and its own position"),
});
export type PredecessorRequest = z.infer<typeof PredecessorRequest>;

const Predecessor = z.looseObject({
  predecessor_id: z.guid(),
  output_location: z.string().nullable().describe("Null until it is Complete"),
  status: TaskStatus.nullable().describe("Null: the owner has no such task"),
});

/**
 * Reply of `POST /get-predecessor-output`; null = the task depends on none.
 * A request with a position gets nulls instead when nothing comes before it.
 */
export const PredecessorReply = z.looseObject({
  predecessor_id: z.guid().nullable().describe(
    "A task, or a result record when `lookup_method` says so",
  ),
  output_location: z.string().nullable(),
  status: TaskStatus.nullable(),
  predecessors: z.array(Predecessor).describe(
    "Every dependency, the one above first",
  ),
  all_complete: z.boolean(),
  lookup_method: z.enum(["dependency", "generation_sibling"]).nullable(),
}).nullable();
export type PredecessorReply = z.infer<typeof PredecessorReply>;
