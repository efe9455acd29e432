import { describe, expect, test } from "vitest";
import { ERROR_CODES } from "../../../../shared/error-codes.ts";
import { toResponse } from "../frame/api-error.ts";
import { REPEATABLE } from "./repetition.ts";
import { rpcError as createRpcError } from "./rpc-error.ts";

const rpcError = (status: number, body: string) =>
  createRpcError(status, body, REPEATABLE);

const SECRET_TEXT = 'relation "fairlane_core.canary" does not exist';

function postgrest(code: unknown) {
  return JSON.stringify({
    code,
    message: SECRET_TEXT,
    details: "Failing row contains (canary)",
    hint: "canary hint",
  });
}

describe("rpcError()", () => {
  test.each(Object.keys(ERROR_CODES))(
    "passes on %s when our SQL raised it",
    (code) => {
      const { status } = ERROR_CODES[code as keyof typeof ERROR_CODES];
      const error = rpcError(
        status,
        JSON.stringify({
          code: `PT${status}`,
          message: "Sentence",
          details: code,
          hint: "Do this",
        }),
      );
      expect(error).toMatchObject({ code, status, message: "Sentence" });
      expect(error.parts.hint).toBe("Do this");
    },
  );

  test.each([
    [500, "08006"],
    [503, "08000"],
    [500, "53300"],
    [500, "53200"],
    [500, "57P01"],
    [500, "57P02"],
    [503, "57P03"],
    [500, "57014"],
    [500, "40001"],
    [500, "40P01"],
    [500, "55P03"],
    [503, "PGRST000"],
    [503, "PGRST001"],
    [503, "PGRST002"],
    [504, "PGRST003"],
    [400, ""],
    [500, ""],
    [502, null],
    [503, undefined],
    [504, 7],
    [429, null],
  ])("answers 503 to %s %j", async (status, code) => {
    const response = toResponse(rpcError(status, postgrest(code)));
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.text()).not.toMatch(/canary|fairlane_core\./);
  });

  test("answers 503 to a function that is not there, with what to run", async () => {
    const response = toResponse(rpcError(404, postgrest("PGRST202")));
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("30");
    expect(await response.json()).toMatchObject({
      code: "SCHEMA_TOO_OLD",
      hint: expect.stringContaining("supabase db push"),
    });
  });

  test.each(["", "<html>Bad gateway</html>", "null", "[]", '"x"'])(
    "answers 503 to a 502 with the body %j",
    (body) => expect(rpcError(502, body).code).toBe("UNAVAILABLE"),
  );

  test.each([
    [400, "22P02"],
    [400, "42703"],
    [403, "42501"],
    [401, "PGRST301"],
    [409, "23505"],
    [400, "P0001"],
    [500, "XX000"],
    [500, "42P01"],
    [400, "22P05"],
    [409, "PT409"],
    [500, "08"],
    [404, null],
    [401, null],
    [400, null],
  ])("answers 500 to %s %j, without a word of it", async (status, code) => {
    const error = rpcError(status, postgrest(code));
    const response = toResponse(error);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toMatch(
      /canary|fairlane_core\.|SQLSTATE/,
    );
    expect(error.parts.logged).toMatchObject({ upstream_status: status });
  });

  test("keeps the value that Postgres quotes out of the log", () => {
    const message = 'invalid input syntax for type uuid: "canary"';
    const error = rpcError(400, JSON.stringify({ code: "22P02", message }));
    expect(error.parts.logged).toEqual({
      upstream_status: 400,
      sqlstate: "22P02",
      cause: "invalid input syntax for type uuid",
    });
  });

  test("does not take an inherited name for a code", () => {
    const body = JSON.stringify({ code: "PT409", details: "constructor" });
    expect(rpcError(409, body).code).toBe("INTERNAL");
  });
});
