import { expect, test } from "vitest";
import { readCredentials } from "./credentials.ts";

test.each([
  [{}, null, null, false],
  [{ authorization: "Bearer abc" }, "abc", null, false],
  [{ authorization: "bearer  abc " }, "abc", null, false],
  [{ apikey: "abc" }, null, "abc", false],
  [{ apiKey: "abc", authorization: "Bearer def" }, "def", "abc", false],
  [{ authorization: "", apikey: "abc" }, null, "abc", false],
  [{ authorization: "Bearer ", apikey: "abc" }, null, "abc", false],
  [{ authorization: "Basic abc" }, null, null, true],
  [{ authorization: "abc" }, null, null, true],
  [{ authorization: "Bearer a b" }, null, null, true],
  [{ authorization: "Bearer \u00e9" }, null, null, true],
  [{ authorization: `Bearer ${"x".repeat(8193)}` }, null, null, true],
  [{ apikey: "a b" }, null, null, true],
])("readCredentials(%j)", (headers, bearer, apikey, isMalformed) => {
  expect(readCredentials(new Headers(headers as Record<string, string>)))
    .toEqual({ bearer, apikey, isMalformed });
});
