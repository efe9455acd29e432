import { vi } from "vitest";
import { NoResponseError, QueueError } from "../errors.ts";
import type { Claim } from "../calls.ts";
import type { QueueClient } from "../queue-client.ts";
import { runWorker } from "../worker.ts";
import type { Handler, WorkerEvent, WorkerOptions } from "../worker-options.ts";
import { fakeRuntime } from "./fake-runtime.ts";

/** The task of these tests. */
export const ID = "22222222-2222-4222-8222-000000000001";
export const TASK: Claim = {
  task_id: ID,
  task_type: "t",
  params: {},
  project_id: null,
  lease_token: "33333333-3333-4333-8333-000000000001",
  attempt: 1,
  text: "",
};
export const LEASE_LOST = new QueueError(409, "LEASE_LOST", "Not yours");
export const NO_ANSWER = new NoResponseError("x", 1, "lost");

/** Works on one task until it has ended, then stops; what the queue heard. */
export async function work(handle: Handler, {
  client: replies = {},
  ...options
}:
  & Partial<Omit<WorkerOptions, "client">>
  & {
    client?: Partial<Record<keyof QueueClient, (...args: never[]) => unknown>>;
  } = {}) {
  const stop = new AbortController();
  const events: WorkerEvent[] = [];
  const calls: unknown[][] = [];
  const spy = (name: keyof QueueClient, reply: () => unknown) =>
    vi.fn(async (...args: never[]) => {
      if (!["claim", "beat"].includes(name)) calls.push([name, ...args]);
      return await (replies[name] ?? reply)(...args);
    });
  let tasks = [TASK];
  const client = {
    claim: spy("claim", () => {
      const [task = null] = tasks;
      tasks = [];
      return task;
    }),
    beat: spy("beat", () => ({ success: true, stop: [] })),
    complete: spy("complete", () => ({})),
    fail: spy("fail", () => ({})),
    handBack: spy("handBack", () => ({})),
    report: spy("report", () => ({})),
    create: spy("create", () => ({})),
    counts: spy("counts", () => ({})),
  } as unknown as QueueClient;
  const END = ["completed", "enqueued", "failed", "handed back", "dropped"];
  const ended = runWorker({
    client,
    workerId: "w",
    handle,
    stop: stop.signal,
    runtime: fakeRuntime(),
    onEvent(event) {
      events.push(event);
      if (END.includes(event.event)) stop.abort();
    },
    ...options,
  });
  const error: unknown = await ended.then(() => undefined, (e: unknown) => e);
  return { calls, events: events.map(({ event }) => event), error, client };
}

/** A handler that runs until its signal. */
export const untilCut: Handler = (_, { signal }) =>
  new Promise((_done, fail) =>
    signal.addEventListener("abort", () => fail(signal.reason))
  );
