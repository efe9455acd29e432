import { describe, expect, it } from "vitest";
import { isOlderThan, VERSION } from "../../../../shared/version.ts";
import { ofThisVersion } from "./schema-version.ts";

describe("a schema", () => {
  it.each([
    ["1.2.3", "1.2.3", false],
    ["1.2.2", "1.2.3", true],
    ["1.1.9", "1.2.3", true],
    ["0.9.9", "1.2.3", true],
    ["1.10.0", "1.9.0", false],
    ["1.9.0", "1.10.0", true],
    ["2.0.0", "1.2.3", false],
  ])(
    "of %s under functions of %s is too old: %s",
    (schema, version, expected) => {
      expect(isOlderThan(schema, version)).toBe(expected);
    },
  );

  it("of this version answers health as it is", () => {
    const reply = JSON.stringify({ version: VERSION, status: "ok" });
    expect(ofThisVersion(reply)).toBe(reply);
  });

  it("that is older, or of before there were versions, is refused with both versions", () => {
    expect(() => ofThisVersion('{"version": "0.0.1"}'))
      .toThrow(
        `The functions are of version ${VERSION}, and the database has 0.0.1`,
      );
    expect(() => ofThisVersion('{"status": "ok"}'))
      .toThrow("the database has an older one");
  });
});
