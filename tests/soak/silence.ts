/** How long callers went without an answer. */
export class Silence {
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
