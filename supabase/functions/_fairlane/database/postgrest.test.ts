import { describe, expect, test } from "vitest";
import { ApiError } from "../frame/api-error.ts";
import { RawJson } from "../json/raw-json.ts";
import {
  ONCE,
  ONCE_CLAIMED,
  REPEATABLE,
  type Repetition,
} from "./repetition.ts";
import { createPostgrestRpc } from "./postgrest.ts";

const LEGACY = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoieCJ9.sig";

function rpcWith(fake: typeof fetch, databaseKey = "sb_secret_x") {
  return createPostgrestRpc({
    supabaseUrl: "http://api.test",
    databaseKey,
    fetch: fake,
    timeoutMs: 20,
  });
}

async function sent(databaseKey: string, args = {}) {
  const requests: Request[] = [];
  const rpc = rpcWith((url, init) => {
    requests.push(new Request(String(url), init));
    return Promise.resolve(new Response("null"));
  }, databaseKey);
  await rpc("claim_next_task", args, "id-1");
  expect(requests).toHaveLength(1);
  return requests[0] as Request;
}

describe("createPostgrestRpc()", () => {
  test("posts to PostgREST with an opaque key in apikey alone", async () => {
    const request = await sent("sb_secret_x");
    expect(request.url).toBe("http://api.test/rest/v1/rpc/claim_next_task");
    expect(request.method).toBe("POST");
    expect(Object.fromEntries(request.headers)).toEqual({
      apikey: "sb_secret_x",
      "content-type": "application/json",
      "x-request-id": "id-1",
    });
  });

  test("sends a legacy key as Bearer, too", async () => {
    const { headers } = await sent(LEGACY);
    expect(headers.get("apikey")).toBe(LEGACY);
    expect(headers.get("authorization")).toBe(`Bearer ${LEGACY}`);
  });

  test.each([
    ["claim_next_task", true],
    ["create_task", true],
    ["create_tasks", true],
    ["a_function_of_tomorrow", true],
    ["complete_task", false],
    ["task_counts", false],
  ])("sends %s so that fetch cannot repeat it: %j", async (name, once) => {
    const bodies: unknown[] = [];
    const rpc = rpcWith((_url, init) => {
      bodies.push(init?.body);
      return Promise.resolve(new Response("null"));
    });
    await rpc(name, { p_caller: { kind: "service" } }, "id-1");
    expect(bodies[0] instanceof Blob).toBe(once);
  });

  test.each([
    ["an answer that never came", () => Promise.reject(new TypeError("gone"))],
    ["a statement that took too long", () =>
      Promise.resolve(
        Response.json({ code: "57014", message: "x" }, { status: 500 }),
      )],
  ])(
    "tells after %s whether the call may be repeated",
    async (_what, fake) => {
      const hintOf = (name: string, repetition?: Repetition) =>
        rpcWith(fake)(name, {}, "id", repetition).then(
          () => undefined,
          (error: unknown) =>
            error instanceof ApiError ? error.parts.hint : error,
        );
      expect(await hintOf("complete_task")).toBe(REPEATABLE.hint);
      expect(await hintOf("create_tasks")).toBe(ONCE.hint);
      expect(await hintOf("a_function_of_tomorrow")).toBe(ONCE.hint);
      expect(await hintOf("create_tasks", REPEATABLE)).toBe(REPEATABLE.hint);
      expect(await hintOf("claim_next_task", ONCE_CLAIMED))
        .toBe(ONCE_CLAIMED.hint);
    },
  );

  test("leaves undefined arguments out and raw JSON as it is", async () => {
    const request = await sent("sb_secret_x", {
      p_caller: { kind: "service" },
      p_claim_id: undefined,
      p_result_data: new RawJson('{"seed": 9007199254740993}'),
    });
    expect(await request.text()).toBe(
      '{"p_caller":{"kind":"service"},"p_result_data":{"seed": 9007199254740993}}',
    );
  });

  test("lets its caller see the headers of a reply", async () => {
    const rpc = rpcWith(() =>
      Promise.resolve(new Response("null", { headers: { "x-said": "yes" } }))
    );
    const seen: (string | null)[] = [];
    await rpc("f", {}, "id", undefined, (headers) => {
      seen.push(headers.get("x-said"));
    });
    expect(seen).toEqual(["yes"]);
  });

  test("returns the reply's text untouched", async () => {
    const text = ' {"params": {"seed": 9007199254740993, "x": 1.0, "é": "😀"}}';
    const rpc = rpcWith(() => Promise.resolve(new Response(text)));
    expect(await rpc("f", {}, "id")).toBe(text);
  });

  test.each([
    ["network error", () => Promise.reject(new TypeError("fetch failed"))],
    ["body that breaks off", () =>
      Promise.resolve(
        new Response(
          new ReadableStream({
            start: (controller) => controller.error(new TypeError("reset")),
          }),
        ),
      )],
    [
      "database that never answers",
      (_url: unknown, init?: RequestInit) =>
        new Promise<Response>((_, reject) => {
          const signal = init?.signal;
          signal?.addEventListener("abort", () => reject(signal.reason));
        }),
    ],
  ])("answers 503 to a %s", async (_what, fake) => {
    const failure = await rpcWith(fake as typeof fetch)("f", {}, "id").then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(ApiError);
    expect(failure).toMatchObject({ code: "UNAVAILABLE", status: 503 });
  });

  test("turns an error reply into ours", async () => {
    const reply = { code: "PT409", message: "Lost", details: "LEASE_LOST" };
    const rpc = rpcWith(() =>
      Promise.resolve(Response.json(reply, { status: 409 }))
    );
    await expect(rpc("f", {}, "id")).rejects
      .toMatchObject({ code: "LEASE_LOST", message: "Lost", status: 409 });
  });
});
