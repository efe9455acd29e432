import { expect, test } from "vitest";
import { createKeyMatcher, hex, sha256 } from "./constant-time.ts";

test("hex() of sha256() is the usual notation", () => {
  expect(hex(sha256("abc"))).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});

test("createKeyMatcher() accepts each of several keys and no other", () => {
  const matches = createKeyMatcher(["old-key", "new-key"]);
  expect(matches(sha256("old-key"))).toBe(true);
  expect(matches(sha256("new-key"))).toBe(true);
  expect(matches(sha256("new-key "))).toBe(false);
  expect(matches(sha256(""))).toBe(false);
});

test.each([[[]], [[""]], [[" \n"]]])(
  "createKeyMatcher(%j) matches nothing, least of all an empty key",
  (keys: string[]) => {
    const matches = createKeyMatcher(keys);
    for (const key of ["", " ", " \n", "undefined", "null"]) {
      expect(matches(sha256(key))).toBe(false);
    }
  },
);
