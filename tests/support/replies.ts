import { expect } from "vitest";
import {
  ERROR_CODES,
  ErrorBody,
  type ErrorCode,
} from "../../shared/error-codes.ts";
import type { Reply } from "./http.ts";

/** Expects a refusal with this code: its status, its shape, a request id. */
export function expectError(reply: Reply, code: ErrorCode): ErrorBody {
  const body = ErrorBody.parse(reply.json);
  expect(`${reply.status} ${body.code}`, reply.text)
    .toBe(`${ERROR_CODES[code].status} ${code}`);
  expect(reply.headers.get("content-type")).toContain("application/json");
  expect(reply.headers.get("x-request-id")).toBeTruthy();
  return body;
}

/** Expects a 200 with a JSON body of this shape and returns the body. */
export function expectOk<T>(
  reply: Reply,
  shape: { parse(value: unknown): T },
): T {
  expect(reply.status, reply.text).toBe(200);
  // Deployed orchestrators refuse to read anything else.
  expect(reply.headers.get("content-type")).toBe("application/json");
  expect(reply.headers.get("x-request-id")).toBeTruthy();
  return shape.parse(reply.json);
}
