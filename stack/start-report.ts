/** What a start can find, each with what it is called in the report. */
const KINDS = {
  nothing: "cold start, the database is new",
  "a part": "the rest of a cold start that was interrupted",
  "a database": "warm start",
};

/** What a start has done so far, and how long each part of it took. */
export class StartReport {
  /** What of the database was there. */
  found: keyof typeof KINDS = "a database";
  readonly #phases: [name: string, ms: number][] = [];

  /** Begins with what came before: checks, installing, loading the program. */
  constructor(setupMs: number) {
    this.#phases.push(["setup", setupMs]);
  }

  /** Does some work and remembers how long it took. */
  async time<T>(phase: string, work: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    const result = await work();
    this.#phases.push([phase, performance.now() - begin]);
    return result;
  }

  /** One line for who waits for it. */
  text(totalMs: number): string {
    const parts = this.#phases.map(([name, ms]) => `${name} ${seconds(ms)}`);
    return `Ready after ${seconds(totalMs)}: ${KINDS[this.found]} (${
      parts.join(", ")
    })`;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
