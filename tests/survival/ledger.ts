/** How a task had ended, as a worker was told. */
export interface Told {
  readonly taskId: string;
  readonly status: string;
  readonly outputLocation: string | null;
}

/** How long callers went without an answer. */
class Silence {
  #lastAnswer = performance.now();
  #longestMs = 0;

  answered(): void {
    this.#longestMs = Math.max(this.#longestMs, this.lastsMs);
    this.#lastAnswer = performance.now();
  }

  /** Time since the last answer. */
  get lastsMs(): number {
    return performance.now() - this.#lastAnswer;
  }

  /** The longest since the last look, the one that lasts included. */
  look(): number {
    this.answered();
    const longest = this.#longestMs;
    this.#longestMs = 0;
    return longest;
  }
}

/** What the workers of one run saw. */
export class Ledger {
  /** Every reply that called a task ended. */
  readonly told: Told[] = [];
  /** The tasks that some reply called ended. */
  readonly ended = new Set<string>();
  /** Replies that no correct worker should get. */
  readonly unexpected: string[] = [];
  /** Between two claims that were answered. */
  readonly silence = new Silence();
  calls = 0;
  /** Calls that got no answer, or one that says to try again. */
  failedCalls = 0;
  /** Workers that died with a task in their hands. */
  deaths = 0;
  /** 409 to a worker whose lease was over, or that had been given up. */
  refusals = 0;
}
