import { readFileSync } from "node:fs";
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

test("ERROR_CODES is what docs/errors.md says, code by code", () => {
  const entries = Object.entries(ERROR_CODES).map(([code, entry]) => ({
    code,
    ...entry,
  }));
  expect(documentedCodes()).toEqual(entries);
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

/** The rows of the table in docs/errors.md, in their order. */
function documentedCodes() {
  const page = new URL("../docs/errors.md", import.meta.url);
  const row = /^\| `(\w+)` *\| (\d+) *\| (.+?) *\| (.+?) *\|$/gm;
  return [...readFileSync(page, "utf8").matchAll(row)].map(
    ([, code, status, meaning, action]) => ({
      code,
      status: Number(status),
      meaning,
      action,
    }),
  );
}
