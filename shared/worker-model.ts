import { z } from "zod";
import { name, optional } from "./fields.ts";

/**
 * Body of `POST /update-worker-model`. Deployed workers send `model`, newer
 * ones `current_model`, which wins where both are there.
 */
export const WorkerModelRequest = z.object({
  worker_id: name(200).describe("A worker that has a row"),
  model: optional(name(200)).describe("The model it has loaded"),
  current_model: optional(name(200)).describe("The same; wins over `model`"),
}).refine(
  ({ model, current_model }) => (current_model ?? model) !== undefined,
  { error: "must be a string of 1 to 200 characters", path: ["model"] },
);
export type WorkerModelRequest = z.infer<typeof WorkerModelRequest>;

/** Reply of `POST /update-worker-model`. */
export const WorkerModelReply = z.looseObject({
  worker_id: z.string(),
  current_model: z.string(),
});
export type WorkerModelReply = z.infer<typeof WorkerModelReply>;
