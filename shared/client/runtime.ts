/**
 * All that the clients take from where they run. Every default is a web
 * standard, the same in Deno, Node 20 and others; tests pass their own.
 */
export interface Runtime {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Ends early, without an error, when `until` aborts. */
  readonly wait: (ms: number, until?: AbortSignal) => Promise<void>;
  /** Milliseconds that only ever go up. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly newId: () => string;
}

/** The real thing. */
export const webRuntime: Runtime = {
  fetch: (url, init) => fetch(url, init),
  wait,
  now: () => performance.now(),
  random: () => Math.random(),
  newId: () => crypto.randomUUID(),
};

function wait(ms: number, until?: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (until?.aborted) return done();
    const end = () => {
      clearTimeout(timer);
      until?.removeEventListener("abort", end);
      done();
    };
    // AbortSignal.timeout would not keep a Node process alive.
    const timer = setTimeout(end, ms);
    until?.addEventListener("abort", end);
  });
}
