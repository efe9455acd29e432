import { z } from "zod";
import { Flag, name, optional } from "./fields.ts";

/** Pools of work: `gpu` also holds every task whose type is unknown. */
export const Pool = z.enum(["gpu", "api", "banodoco"], {
  error: "must be gpu, api or banodoco",
});
export type Pool = z.infer<typeof Pool>;

/**
 * The pool of a worker that names types instead: only one pool's workers do,
 * and they name all of its types.
 */
export function poolOf(types: readonly string[] | undefined): Pool | undefined {
  const ofOwnPool = (type: string) => type.startsWith("banodoco_");
  const isOwnPool = types !== undefined && types.length > 0 &&
    types.every(ofOwnPool);
  return isOwnPool ? "banodoco" : undefined;
}

/** Longest wait that is worth naming: a year. Longer ones mean the same. */
const MAX_WAIT_MINUTES = 525_600;
const WAIT_RULE = "must be a finite number of at least 0";

/** Body of `POST /claim-next-task`. */
export const ClaimRequest = z.object({
  worker_id: optional(name(200)),
  run_type: optional(Pool),
  task_types: optional(z.array(z.string())).catch(undefined),
  claim_id: optional(name(128)),
  same_model_only: optional(Flag),
  max_task_wait_minutes: optional(
    z.number({ error: WAIT_RULE }).min(0, { error: WAIT_RULE })
      .transform((minutes) => Math.min(minutes, MAX_WAIT_MINUTES)),
  ),
  dry_run: optional(Flag),
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
  lease_token: z.guid().optional(),
  /** Which start this is. */
  attempt: z.int().optional(),
  /** How many starts have failed so far: what deployed workers read. */
  attempts: z.int().min(0).optional(),
});
export type ClaimedTask = z.infer<typeof ClaimedTask>;

/** Reply of a claim with `dry_run`: what a claim would have found. */
export const ClaimPreview = z.looseObject({
  dry_run: z.literal(true),
  available_tasks: z.int().min(0),
  task: ClaimedTask.nullable(),
});
export type ClaimPreview = z.infer<typeof ClaimPreview>;
