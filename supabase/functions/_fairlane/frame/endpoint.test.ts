import { describe, expect, test } from "vitest";
import { z } from "zod";
import { ErrorBody } from "../../../../shared/error-codes.ts";
import { createWorld, KEYS, outcome, post } from "../_test/fakes.ts";
import { ApiError } from "./api-error.ts";
import { defineEndpoint } from "./endpoint.ts";
import { jsonReply } from "./json-reply.ts";

function createFixture(reply: string | Error = "{}") {
  const world = createWorld(reply);
  const handler = defineEndpoint({
    name: "fixture",
    callers: ["service"],
    schema: z.object({ id: z.string().optional() }),
    maxBytes: 1000,
    answer: async ({ rpc }) => jsonReply(await rpc("health", {})),
  })(world.deps);
  return { ...world, handler };
}

const at = (method: string, headers = {}) =>
  new Request("http://functions.test/fixture", { method, headers });

describe("defineEndpoint()", () => {
  test("answers a preflight without looking at anything", async () => {
    const { handler, rpcCalls } = createFixture();
    const response = await handler(at("OPTIONS", { origin: "https://a.test" }));
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(response.headers.get("access-control-allow-methods"))
      .toBe("GET, POST, OPTIONS");
    expect(response.headers.has("access-control-allow-credentials"))
      .toBe(false);
    expect(rpcCalls).toEqual([]);
  });

  test.each(["GET", "HEAD", "PUT", "PATCH", "DELETE"])(
    "answers 405 to %s, without asking who calls",
    async (method) => {
      const { handler } = createFixture();
      const response = await handler(at(method));
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("POST, OPTIONS");
    },
  );

  test("puts the caller first, before the body is read", async () => {
    const { handler } = createFixture();
    const request = post("x".repeat(2000), {});
    expect(await outcome(handler, request)).toBe("401 MISSING_CREDENTIALS");
    expect(request.bodyUsed).toBe(false);
  });

  test("answers 403 to a kind of caller it does not list", async () => {
    const { handler, rpcCalls } = createFixture();
    const request = post({}, { authorization: `Bearer ${KEYS.token}` });
    expect(await outcome(handler, request)).toBe("403 FORBIDDEN");
    expect(rpcCalls).toEqual([]);
  });

  test("hands on what SQL says in headers of the queue's own", async () => {
    const { deps } = createWorld("{}");
    const rpc: typeof deps.rpc = (
      _name,
      _args,
      _id,
      _repetition,
      onHeaders,
    ) => {
      onHeaders?.(
        new Headers({ "x-fairlane-passed-over": "2", "server": "canary" }),
      );
      return Promise.resolve("{}");
    };
    const handler = defineEndpoint({
      name: "fixture",
      callers: ["service"],
      schema: z.object({}),
      maxBytes: 1000,
      answer: async ({ rpc }) => jsonReply(await rpc("health", {})),
    })({ ...deps, rpc });
    const { headers } = await handler(post({}));
    expect(headers.get("x-fairlane-passed-over")).toBe("2");
    expect(headers.get("server")).toBeNull();
  });

  test("answers 413 above its limit", async () => {
    const { handler } = createFixture();
    expect(await outcome(handler, post({ id: "x".repeat(1000) })))
      .toBe("413 BODY_TOO_LARGE");
  });

  test("says on every reply that any page may read it", async () => {
    const { handler } = createFixture();
    for (const request of [post({}), post("["), at("GET")]) {
      const { headers } = await handler(request);
      expect(headers.get("access-control-allow-origin")).toBe("*");
      expect(headers.get("access-control-expose-headers"))
        .toContain("x-request-id");
    }
  });

  test.each([
    ["abc-1.2_3", "abc-1.2_3"],
    ["x".repeat(128), "x".repeat(128)],
    ["x".repeat(129), "fresh-request-id"],
    ["", "fresh-request-id"],
    ["a b", "fresh-request-id"],
    ['"}', "fresh-request-id"],
  ])("for the request id %j returns, logs and sends %j", async (given, id) => {
    const { handler, lines, rpcCalls } = createFixture();
    const request = post({}, {
      apikey: KEYS.secret,
      "x-request-id": given,
    });
    const response = await handler(request);
    expect(response.headers.get("x-request-id")).toBe(id);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ request_id: id });
    expect(rpcCalls[0]?.requestId).toBe(id);
  });

  test("hides the cause of an unexpected error and logs it", async () => {
    const { handler, lines } = createFixture(
      new RangeError('Bad value: "canary"'),
    );
    const response = await handler(post({}));
    const body = ErrorBody.parse(await response.json());
    expect(body).toEqual({
      code: "INTERNAL",
      message: "The request could not be processed",
    });
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      level: "error",
      event: "request",
      request_id: "fresh-request-id",
      function: "fixture",
      status: 500,
      caller: "service",
      code: "INTERNAL",
      cause: "RangeError: Bad value",
      ms: 0,
    });
  });

  test("asks for a repeat when the database is away", async () => {
    const { handler } = createFixture(new ApiError("UNAVAILABLE", "Away"));
    const response = await handler(post({}));
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
  });

  test("logs no secret, wherever the client has put it", async () => {
    for (const secret of Object.values(KEYS)) {
      for (const reply of ["{}", new Error(`lost ${secret}`)]) {
        const { handler, lines } = createFixture(reply);
        await handler(post({ id: secret }, { authorization: secret }));
        await handler(post({ id: secret }, {
          authorization: `Bearer ${secret}`,
          apikey: KEYS.secret,
          "x-request-id": secret,
        }));
        expect(lines).toHaveLength(2);
        expect(lines.filter((line) => line.includes(secret))).toEqual([]);
      }
    }
  });
});

describe("fields that are not used", () => {
  test("are noted after the reply, by the operator's own programs", async () => {
    const { handler, notes, rpcCalls } = createFixture();
    expect(await outcome(handler, post({ id: "a", newer: 1 }))).toBe("200");
    expect(notes).toEqual([{
      p_caller: { kind: "service" },
      p_endpoint: "fixture",
      p_counts: { newer: 1 },
    }]);
    expect(rpcCalls.map(({ name }) => name)).toEqual(["health"]);
  });

  test("are not noted when there are none, or the body is refused", async () => {
    const { handler, notes } = createFixture();
    await outcome(handler, post({ id: "a" }));
    await outcome(handler, post({ id: 1, newer: 1 }));
    expect(notes).toEqual([]);
  });

  test("change nothing in the reply when they cannot be noted", async () => {
    const { deps, lines } = createWorld("{}");
    const works: Promise<void>[] = [];
    const handler = defineEndpoint({
      name: "fixture",
      callers: ["service"],
      schema: z.object({}),
      maxBytes: 1000,
      answer: async ({ rpc }) => jsonReply(await rpc("health", {})),
    })({
      ...deps,
      rpc: (name, ...rest) =>
        name === "note_unused_fields"
          ? Promise.reject(new ApiError("UNAVAILABLE", "No answer"))
          : deps.rpc(name, ...rest),
      after: (work) => void works.push(work),
    });
    expect(await outcome(handler, post({ newer: 1 }))).toBe("200");
    await Promise.all(works);
    expect(lines.join()).toContain("unused fields were not noted");
  });
});
