/** Whether a call of the database may be repeated, and what to tell a caller. */
export interface Repetition {
  /** True when a second call changes nothing more. */
  readonly isRepeatable: boolean;
  /** What to do when the outcome of the call is unknown. */
  readonly hint: string;
}

/** A second call changes nothing. */
export const REPEATABLE: Repetition = {
  isRepeatable: true,
  hint: "Repeat the same request; it is safe to",
};

/** A second call may do the work twice. */
export const ONCE: Repetition = once(
  "look whether it was before you repeat it",
);

/** A claim without a claim_id. */
export const ONCE_CLAIMED: Repetition = once(
  "a task that came of it is given back to its worker or taken back later; a claim with a claim_id is safe to repeat",
);

/** New tasks that the server gives their ids. */
export const ONCE_CREATED: Repetition = once(
  "look for the tasks before you send them again; with a task_id or an idempotency_key for each it is safe to repeat",
);

/** The calls that may be repeated whatever their arguments are. */
const REPEATABLE_CALLS: ReadonlySet<string> = new Set([
  // They only read.
  "files_to_sweep",
  "explain_task",
  "explain_worker",
  "get_completed_segments",
  "get_orchestrator_children",
  "get_predecessor_output",
  "get_task_output",
  "get_task_status",
  "health",
  "task_counts",
  "update_shot_pair_prompts",
  "worker_health",
  // A second end changes nothing; a second report says the same.
  "cancel_tasks",
  "complete_task",
  "mark_task_failed",
  "update_task_status",
  "upload_target",
  "note_refused_claim",
  "note_call",
  "beat",
  "update_worker_model",
]);

/** The default for a call: once, unless it is listed. */
export function repetitionOf(name: string): Repetition {
  return REPEATABLE_CALLS.has(name) ? REPEATABLE : ONCE;
}

function once(whatElse: string): Repetition {
  return {
    isRepeatable: false,
    hint: `It may have been carried out: ${whatElse}`,
  };
}
