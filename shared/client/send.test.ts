import { describe, expect, test } from "vitest";
import { fakeRuntime, LOST, refusal } from "./_test/fake-runtime.ts";
import { NoResponseError, QueueError } from "./errors.ts";
import { type Post, send } from "./send.ts";

const POST: Post = { url: "https://queue.test/x", headers: {}, body: "{}" };
const RULE = { timeoutMs: 60_000, patienceMs: 10_000 };
const OK = Response.json({ done: true });

describe("send() tries again", () => {
  test.each([
    ["nothing came back", LOST],
    ["a gateway has no server", new Response("<html>", { status: 502 })],
    ["the platform killed the worker", new Response("{}", { status: 546 })],
    ["a 500 is not the queue's own", new Response("", { status: 500 })],
    ["a limit that is not the queue's own", new Response("", { status: 429 })],
    ["the database cannot answer", refusal(503, "UNAVAILABLE")],
    ["the database is not migrated yet", refusal(503, "SCHEMA_TOO_OLD")],
    ["half a body came back", new Response('{"done": tr')],
  ])("when %s, with the very same bytes", async (_, step) => {
    const runtime = fakeRuntime(step, step, OK);
    const { json } = await send(runtime, POST, RULE);
    expect(json).toEqual({ done: true });
    expect(runtime.seen).toHaveLength(3);
    expect(new Set(runtime.seen.map((request) => request.body)).size).toBe(1);
    expect(runtime.waits).toEqual([500, 1000]);
  });

  test("not before the seconds in Retry-After", async () => {
    const busy = refusal(503, "UNAVAILABLE", { "retry-after": "3" });
    const runtime = fakeRuntime(busy, OK);
    await send(runtime, POST, RULE);
    expect(runtime.waits).toEqual([3500]);
  });

  test("until its patience is over", async () => {
    const runtime = fakeRuntime(LOST);
    await expect(send(runtime, POST, RULE)).rejects.toThrow(NoResponseError);
    expect(runtime.seen).toHaveLength(5);
    expect(runtime.now()).toBeLessThanOrEqual(RULE.patienceMs);
  });

  test("not at all without patience", async () => {
    const runtime = fakeRuntime(LOST);
    const once = { timeoutMs: 1000, patienceMs: 0 };
    await expect(send(runtime, POST, once)).rejects.toThrow(NoResponseError);
    expect(runtime.seen).toHaveLength(1);
  });

  test("after a try that took too long", async () => {
    const silent = fakeRuntime(() => new Promise(() => {}));
    const runtime = {
      ...silent,
      // As fetch does: the promise ends with its signal.
      fetch: (_: string, { signal }: RequestInit) =>
        new Promise<Response>((_done, fail) =>
          signal?.addEventListener("abort", () => fail(signal.reason))
        ),
    };
    const rule = { timeoutMs: 5, patienceMs: 1000 };
    await expect(send(runtime, POST, rule)).rejects
      .toThrow(/in 2 tries, the last: Nothing within 5 ms/);
  });
});

describe("send() takes no for an answer", () => {
  test.each([
    [409, "LEASE_LOST"],
    [400, "INVALID_BODY"],
    [429, "QUEUE_FULL"],
    [500, "INTERNAL"],
    [501, "NOT_SUPPORTED"],
  ])("%i %s", async (status, code) => {
    const runtime = fakeRuntime(refusal(status, code));
    await expect(send(runtime, POST, RULE)).rejects
      .toMatchObject({ name: "QueueError", status, code });
    expect(runtime.seen).toHaveLength(1);
  });

  test("in the words of the Data API", async () => {
    const refused = Response.json({
      code: "PT400",
      message: "A worker id has 1 to 200 characters",
      details: "INVALID_ARGUMENT",
      hint: null,
    }, { status: 400 });
    await expect(send(fakeRuntime(refused), POST, RULE)).rejects
      .toMatchObject({ status: 400, code: "INVALID_ARGUMENT" });
  });

  test("in words that nobody knows", async () => {
    const refused = new Response("<html>", { status: 404 });
    const error = await send(fakeRuntime(refused), POST, RULE)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(QueueError);
    expect(error).toMatchObject({ status: 404, code: undefined });
  });
});

test("send() ends with its signal", async () => {
  const cut = new AbortController();
  const runtime = fakeRuntime(() => {
    cut.abort(new Error("Enough"));
    return Promise.reject(LOST);
  });
  await expect(send(runtime, POST, RULE, cut.signal)).rejects.toThrow("Enough");
  expect(runtime.seen).toHaveLength(1);
});
