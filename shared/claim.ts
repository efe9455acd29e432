import { z } from "zod";
import { Flag, name, optional } from "./fields.ts";

/** Pools of work: `gpu` also holds every task whose type is unknown. */
export const Pool = z.enum(["gpu", "api", "banodoco"], {
  error: "must be gpu, api or banodoco",
});
export type Pool = z.infer<typeof Pool>;

/**
 * The pool of a worker that sends types instead. Only one pool's workers do,
 * and they send all of its types.
 */
export function poolOf(types: readonly string[] | undefined): Pool | undefined {
  const ofOwnPool = (type: string) => type.startsWith("banodoco_");
  const isOwnPool = types !== undefined && types.length > 0 &&
    types.every(ofOwnPool);
  return isOwnPool ? "banodoco" : undefined;
}

/** The longest useful wait, a year; longer ones mean the same. */
const MAX_WAIT_MINUTES = 525_600;
const WAIT_RULE = "must be a finite number of at least 0";

/** Body of `POST /claim-next-task`. */
export const ClaimRequest = z.object({
  worker_id: optional(name(200)).meta({
    description: "Who claims. Required with a service key",
    default: "token-worker",
  }),
  run_type: optional(Pool).meta({
    description: "The pool to take work from",
    default: "gpu",
  }),
  task_types: optional(z.array(z.string())).catch(undefined).meta({
    description:
      "Stands in for `run_type`: pool `banodoco` when every name begins with `banodoco_`; ignored otherwise",
  }),
  claim_id: optional(name(128)).meta({
    description:
      "The worker's own id of this claim. Repeat it when the reply was lost: the same task comes back",
  }),
  same_model_only: optional(Flag).meta({
    description:
      "Prefer tasks of the worker's `current_model`, even over whose turn it is; other work follows. No effect with a token",
    default: false,
  }),
  max_task_wait_minutes: optional(
    z.number({ error: WAIT_RULE }).min(0, { error: WAIT_RULE })
      .transform((minutes) => Math.min(minutes, MAX_WAIT_MINUTES)),
  ).meta({
    description:
      "A task older than this is served whatever model it needs; fractions are allowed. Default: the setting `max_affinity_wait`. No effect with a token",
    "x-unit": "minutes",
  }),
  dry_run: optional(Flag).meta({
    description: "Say what a claim would get, without taking it",
    default: false,
  }),
});
export type ClaimRequest = z.infer<typeof ClaimRequest>;

/**
 * The task a claim hands out. Deployed workers read the first four fields
 * outside any try block, so a reply that lacks one ends the worker.
 */
export const ClaimedTask = z.looseObject({
  task_id: z.guid(),
  task_type: z.string(),
  params: z.looseObject({}),
  project_id: z.guid().nullable(),
  lease_token: z.guid().optional().describe(
    "The lease of this attempt: send it with every report. Absent in a dry run",
  ),
  attempt: z.int().optional().describe("Number of this attempt"),
  attempts: z.int().min(0).optional().describe(
    "Attempts that have failed so far; deployed workers count by it",
  ),
});
export type ClaimedTask = z.infer<typeof ClaimedTask>;

/** Reply of a claim with `dry_run`: what a claim would have found. */
export const ClaimPreview = z.looseObject({
  dry_run: z.literal(true),
  available_tasks: z.int().min(0),
  task: ClaimedTask.nullable(),
});
export type ClaimPreview = z.infer<typeof ClaimPreview>;
