import type { z } from "zod";
import type { ErrorCode } from "../../../../shared/error-codes.ts";
import { isJsonObject } from "../../../../shared/fields.ts";
import { assertModest } from "../json/json-scan.ts";
import { ApiError } from "./api-error.ts";

/** The most fields that one refusal names. */
const MAX_ISSUES = 10;

/** A body, and which fields it had, used or not. */
export interface ParsedBody<T> {
  readonly body: T;
  readonly fields: readonly string[];
}

/** The body as `schema` reads it, or 400 INVALID_BODY that names the field. */
export function parseBody<T>(
  text: string,
  schema: z.ZodType<T>,
  codeOfTooMuch: ErrorCode = "INVALID_BODY",
): ParsedBody<T> {
  assertModest(text, codeOfTooMuch);
  const value = parseJson(text);
  if (!isJsonObject(value)) {
    throw new ApiError("INVALID_BODY", "The body must be a JSON object");
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) {
    return { body: parsed.data, fields: Object.keys(value) };
  }

  const details = parsed.error.issues.slice(0, MAX_ISSUES).map((issue) => ({
    field: issue.path.join("."),
    message: issue.message,
  }));
  const [first] = details;
  throw new ApiError(
    "INVALID_BODY",
    // A rule about several fields names none.
    `${
      first?.field ? `Body field "${first.field}"` : "The body"
    } ${first?.message}`,
    { details },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError("INVALID_BODY", "The body must be valid JSON");
  }
}
