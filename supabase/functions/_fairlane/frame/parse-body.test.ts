import { describe, expect, test } from "vitest";
import { z } from "zod";
import { Uuid } from "../../../../shared/fields.ts";
import { ApiError } from "./api-error.ts";
import { parseBody } from "./parse-body.ts";

const Schema = z.object({ id: Uuid, list: z.array(z.number()).optional() });

function refusal(text: string, schema: z.ZodType = Schema): ApiError {
  try {
    parseBody(text, schema);
  } catch (error) {
    if (error instanceof ApiError) return error;
  }
  throw new Error("The body was accepted");
}

describe("parseBody()", () => {
  test.each(["[]", "null", '"x"', "7", "true"])(
    "refuses %s, which is no object",
    (text) => {
      expect(refusal(text).message).toBe("The body must be a JSON object");
    },
  );

  test.each(["", " ", "{", "{'id':1}", '{"id":NaN}', "\u0000"])(
    "refuses %j, which is no JSON",
    (text) => {
      expect(refusal(text).message).toBe("The body must be valid JSON");
    },
  );

  test("names the field, not its value", () => {
    const error = refusal('{"id":"canary"}');
    expect(error.message).toBe('Body field "id" must be a UUID');
    expect(error.parts.details).toEqual([
      { field: "id", message: "must be a UUID" },
    ]);
    expect(JSON.stringify(error.parts)).not.toContain("canary");
  });

  test("names no field when the rule is about several", () => {
    const either = Schema.partial().refine(() => false, {
      error: "lacks both",
    });
    expect(refusal("{}", either).message).toBe("The body lacks both");
  });

  test("names no more than ten fields", () => {
    const list = JSON.stringify(Array(50).fill("x"));
    expect(refusal(`{"list":${list}}`).parts.details).toHaveLength(10);
  });

  test("is not fooled by members that every object has", () => {
    const text = '{"__proto__":{"id":"x"},"toString":1,"constructor":{}}';
    expect(refusal(text).code).toBe("INVALID_BODY");
    expect(({} as Record<string, unknown>)["id"]).toBeUndefined();
  });
});
