import { describe, expect, test } from "vitest";
import { ONE_CALL } from "../endpoints/one-call.ts";
import { createWorld, outcome, post } from "./fakes.ts";
import { assertSurvivesHostileBodies } from "./hostile.ts";

/** What one endpoint makes of its bodies and of the database's replies. */
export interface OneCallRow {
  readonly name: keyof typeof ONE_CALL;
  /** Bodies, and the call that each becomes. */
  readonly calls: readonly (readonly [
    body: object,
    rpc: string,
    args: object,
  ])[];
  readonly refused: readonly object[];
  readonly reply: string;
  /** Replies of a shape that its clients do not expect. */
  readonly wrongReplies?: readonly string[];
  /** What its log line says of the first body. */
  readonly logged?: object;
  /** The body that hostile ones are made from. */
  readonly valid: Readonly<Record<string, unknown>>;
}

/** The tests of one row. */
export function testOneCall(
  {
    name,
    calls,
    refused,
    reply,
    wrongReplies = ["null", "[]"],
    logged,
    valid,
  }: OneCallRow,
): void {
  const createHandler = ONE_CALL[name];

  describe(name, () => {
    test.each(calls)("passes on what answers %j", async (body, rpc, args) => {
      const { deps, rpcCalls } = createWorld(reply);
      const response = await createHandler(deps)(post(body));
      expect(await response.text()).toBe(reply);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(rpcCalls.map((call) => call.name)).toEqual([rpc]);
      expect(rpcCalls[0]?.args)
        .toEqual({ p_caller: { kind: "service" }, ...args });
    });

    test.runIf(refused.length > 0).each(refused)(
      "answers 400 to %j, and asks nothing",
      async (body) => {
        const { deps, rpcCalls } = createWorld(reply);
        expect(await outcome(createHandler(deps), post(body)))
          .toBe("400 INVALID_BODY");
        expect(rpcCalls).toEqual([]);
      },
    );

    test.each(wrongReplies)(
      "answers 500 rather than %s",
      async (wrong) => {
        const { deps } = createWorld(wrong);
        expect(await outcome(createHandler(deps), post(valid)))
          .toBe("500 INTERNAL");
      },
    );

    test("logs what it was about", async () => {
      const { deps, lines } = createWorld(reply);
      await createHandler(deps)(post(calls[0]?.[0]));
      expect(JSON.parse(lines[0] ?? "")).toEqual({
        level: "info",
        event: "request",
        request_id: "fresh-request-id",
        function: name,
        status: 200,
        caller: "service",
        ms: 0,
        ...logged,
      });
    });

    test("survives hostile bodies", async () => {
      await assertSurvivesHostileBodies(createHandler, valid, reply);
    });
  });
}
