/** A failure whose message says all that its reader needs. */
export class ExplainedError extends Error {
  isExplained = true;
}
