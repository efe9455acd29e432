import { z } from "zod";
import { name, optional, Uuid } from "./fields.ts";

/** Body of `POST /get-completed-segments`. */
export const SegmentsRequest = z.object({
  run_id: name(1000).describe(
    "Compared as text with `params.orchestrator_run_id`",
  ),
  project_id: optional(Uuid).describe(
    "Absent: with a service key every user's runs of that name",
  ),
  after_index: optional(z.int().min(0).max(999999999)).describe(
    "Only segments above this index: the last one of a full reply",
  ),
});
export type SegmentsRequest = z.infer<typeof SegmentsRequest>;

/** Reply of `POST /get-completed-segments`, in order, one per index. */
export const SegmentsReply = z.array(z.looseObject({
  segment_index: z.int().min(0),
  output_location: z.string().min(1),
}));
export type SegmentsReply = z.infer<typeof SegmentsReply>;
