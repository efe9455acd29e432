import type { Runtime } from "../runtime.ts";

/** One request as the fake network saw it. */
export interface Seen {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What the fake network does with a request; an Error = nothing comes back. */
export type Step = Error | Response | ((seen: Seen) => Promise<Response>);

/** A runtime without a network, without time and without chance. */
export interface FakeRuntime extends Runtime {
  readonly seen: Seen[];
  /** The pauses that were asked for. */
  readonly waits: number[];
}

/** Answers the requests one by one; the last step goes on for ever. */
export function fakeRuntime(...steps: readonly Step[]): FakeRuntime {
  const seen: Seen[] = [];
  const waits: number[] = [];
  let clock = 0;
  let ids = 0;
  return {
    seen,
    waits,
    async fetch(url, { headers, body }) {
      const request = {
        url,
        headers: Object.fromEntries(new Headers(headers)),
        body: String(body),
      };
      seen.push(request);
      const step = steps[Math.min(seen.length, steps.length) - 1];
      if (step === undefined || step instanceof Error) {
        throw step ?? new Error("No step");
      }
      return step instanceof Response ? step.clone() : await step(request);
    },
    wait(ms, until) {
      waits.push(ms);
      clock += ms;
      // A turn of the event loop, or two loops would starve the rest.
      return new Promise((done) => {
        if (until?.aborted) return done();
        setTimeout(done, 0);
      });
    },
    now: () => clock,
    random: () => 0,
    newId: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`,
  };
}

/** A reply with the queue's own error body. */
export function refusal(
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return Response.json({ code, message: `Because of ${code}` }, {
    status,
    headers,
  });
}

/** What a connection that breaks looks like. */
export const LOST = new TypeError("fetch failed");
