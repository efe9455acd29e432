/** Work that goes on beside the rest. When one part fails, all of it ends. */
export class Background {
  readonly #over = new AbortController();
  readonly #parts: Promise<void>[] = [];
  readonly #failures: unknown[] = [];

  /** It also ends when `stop` aborts. */
  constructor(stop: AbortSignal) {
    if (stop.aborted) this.#over.abort();
    stop.addEventListener("abort", () => this.#over.abort(), { once: true });
  }

  /** Aborts when it is over. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  add(part: Promise<void>): void {
    this.#parts.push(part.catch((error: unknown) => {
      this.#failures.push(error);
      this.#over.abort();
    }));
  }

  /**
   * Ends it and waits for every part, also for those that join meanwhile.
   *
   * @throws what the first part that failed threw
   */
  async end(): Promise<void> {
    this.#over.abort();
    while (this.#parts.length > 0) await this.#parts.shift();
    if (this.#failures.length > 0) throw this.#failures[0];
  }
}
