import { expect, test } from "vitest";
import { ERROR_CODES, ErrorBody, isErrorCode } from "./error-codes.ts";

test("ERROR_CODES says what each code means and what to do", () => {
  for (const [code, entry] of Object.entries(ERROR_CODES)) {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(entry.status).toBeGreaterThanOrEqual(400);
    expect(entry.meaning).toMatch(/^[A-Z].*[^.]$/);
    expect(entry.action).toMatch(/^[A-Z].*[^.]$/);
  }
});

test("isErrorCode() knows the table's codes and no inherited names", () => {
  expect(isErrorCode("LEASE_LOST")).toBe(true);
  expect(isErrorCode("toString")).toBe(false);
  expect(isErrorCode(null)).toBe(false);
});

test("ErrorBody refuses unknown codes and extra fields", () => {
  const body = { code: "INTERNAL", message: "x" };
  expect(ErrorBody.safeParse(body).success).toBe(true);
  expect(ErrorBody.safeParse({ ...body, code: "42703" }).success).toBe(false);
  expect(ErrorBody.safeParse({ ...body, stack: "x" }).success).toBe(false);
});
