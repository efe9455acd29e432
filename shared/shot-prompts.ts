import { z } from "zod";
import { Uuid } from "./fields.ts";

const PROMPTS_RULE = "must be a list of strings";

/** Body of `POST /update-shot-pair-prompts`, which is answered with 501. */
export const ShotPromptsRequest = z.object({
  shot_id: Uuid,
  task_id: z.string({ error: "must be a string" }),
  enhanced_prompts: z.array(z.string({ error: PROMPTS_RULE }), {
    error: PROMPTS_RULE,
  }).describe('One per segment; `""` leaves that one as it is'),
});
export type ShotPromptsRequest = z.infer<typeof ShotPromptsRequest>;
