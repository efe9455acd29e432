import { z } from "zod";
import { name, optional, Uuid } from "./fields.ts";

/** Body of `POST /get-completed-segments`. */
export const SegmentsRequest = z.object({
  /** Compared as text with `params.orchestrator_run_id`. */
  run_id: name(1000),
  project_id: optional(Uuid),
  /** Only segments above this index: the last one of a full reply. */
  after_index: optional(z.int().min(0).max(999999999)),
});
export type SegmentsRequest = z.infer<typeof SegmentsRequest>;

/** Reply of `POST /get-completed-segments`, in order, one per index. */
export const SegmentsReply = z.array(z.looseObject({
  segment_index: z.int().min(0),
  output_location: z.string().min(1),
}));
export type SegmentsReply = z.infer<typeof SegmentsReply>;
