import { expect, test } from "vitest";
import fc from "fast-check";
import { sanitiseJsonText, sanitiseText } from "./sanitise-text.ts";

test("sanitiseText() leaves nothing that Postgres refuses", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const clean = sanitiseText(text);
      expect(clean).not.toContain("\0");
      expect(clean).not.toMatch(/\p{Surrogate}/u);
      expect(clean).toHaveLength(text.length);
    }),
  );
});

test("sanitiseJsonText() means the same as sanitiseText() on the value", () => {
  const unit = fc.constantFrom(
    "\\u0000",
    "\\ud800",
    "\\uDC00",
    "\\ud83d\\ude00",
    "\\\\",
    '\\"',
    "u0000",
    "a",
    "😀",
  );
  fc.assert(
    fc.property(fc.array(unit), (units) => {
      const json = `"${units.join("")}"`;
      const clean = sanitiseJsonText(json);
      expect(JSON.parse(clean)).toBe(sanitiseText(JSON.parse(json)));
    }),
    { numRuns: 1000 },
  );
});

test("sanitiseJsonText() keeps good escapes as they were written", () => {
  const json = '{"a":"\\u00e9\\ud83d\\ude00\\n\\\\u0000"}';
  expect(sanitiseJsonText(json)).toBe(json);
});
