/** What each of the orchestrators' resets writes; its words come on top. */
export const RESET = {
  status: "Queued",
  worker_id: null,
  generation_started_at: null,
  generation_processed_at: null,
} as const;

/** The reset of what a failed worker held. */
export const RESET_OF_ORPHANS = {
  ...RESET,
  error_message: "Reset - orphaned from failed worker",
} as const;
