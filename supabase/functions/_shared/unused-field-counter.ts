/** At most so often does one instance write down what it has counted. */
const WRITE_EVERY_MS = 60_000;
/** Names beyond these are a caller's invention: nobody reads a longer list. */
const MAX_FIELDS = 50;
const MAX_NAME = 63;

/** How often each field was sent since the last write. */
export type FieldCounts = Readonly<Record<string, number>>;

/**
 * Counts the fields that requests to one endpoint carry for nothing. One
 * instance writes at most once a minute, whatever comes; what it has counted
 * when it ends is lost, which the next request makes good.
 */
export class UnusedFieldCounter {
  readonly #counts = new Map<string, number>();
  #writtenAt = Number.NEGATIVE_INFINITY;

  /** Counts them; returns what is to be written now, if anything is. */
  count(fields: readonly string[], nowMs: number): FieldCounts | undefined {
    for (const field of fields) {
      if (field.length > MAX_NAME) continue;
      const before = this.#counts.get(field);
      if (before === undefined && this.#counts.size >= MAX_FIELDS) continue;
      this.#counts.set(field, (before ?? 0) + 1);
    }
    if (this.#counts.size === 0) return undefined;
    if (nowMs - this.#writtenAt < WRITE_EVERY_MS) return undefined;
    this.#writtenAt = nowMs;
    const counts = Object.fromEntries(this.#counts);
    this.#counts.clear();
    return counts;
  }
}
