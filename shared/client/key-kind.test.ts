import { expect, test } from "vitest";
import { isServiceKey } from "./key-kind.ts";

/** A JWT with these claims; nobody looks at its signature here. */
function jwt(claims: unknown): string {
  const payload = Buffer.from(JSON.stringify(claims)).toString("base64url");
  return `e30.${payload}.c2lnbmVk`;
}

test.each([
  ["sb_secret_abc"],
  [jwt({ role: "service_role", iss: "supabase???>>>" })],
])("isServiceKey() knows a service key: %s", (key) => {
  expect(isServiceKey(key)).toBe(true);
});

test.each([
  ["tq_abcdef"],
  ["sb_publishable_abc"],
  [jwt({ role: "authenticated", sub: "somebody" })],
  [jwt(null)],
  ["a.b.c"],
  ["a token. with dots. in it"],
  [""],
])("isServiceKey() takes all else for a token: %s", (key) => {
  expect(isServiceKey(key)).toBe(false);
});
