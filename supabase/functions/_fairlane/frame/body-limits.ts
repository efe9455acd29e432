/** Bodies of requests that carry nothing but settings. */
export const SMALL_BODY = 1024 * 1024;
/** Completions may carry a file of up to 2 MiB and its first frame. */
export const COMPLETION_BODY = 8 * 1024 * 1024;
/** Failures may carry a whole log; the database cuts it, we must not lose it. */
export const FAILURE_BODY = 16 * 1024 * 1024;
