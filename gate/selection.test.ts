import { describe, expect, it } from "vitest";
import { parseOnly, UsageError } from "./selection.ts";

const KNOWN = ["fmt", "unit", "database"];

describe("parseOnly()", () => {
  it("selects everything by default", () => {
    expect(parseOnly([], KNOWN)).toBeUndefined();
  });

  it("reads both spellings and short names", () => {
    const both = new Set(["unit", "database"]);
    expect(parseOnly(["--only", "unit,db"], KNOWN)).toEqual(both);
    expect(parseOnly(["--only=unit,database"], KNOWN)).toEqual(both);
  });

  it("refuses unknown steps, so that a typo is never a green run", () => {
    expect(() => parseOnly(["--only", "unti"], KNOWN)).toThrow(UsageError);
    expect(() => parseOnly(["--only"], KNOWN)).toThrow(UsageError);
    expect(() => parseOnly(["unit"], KNOWN)).toThrow(UsageError);
    expect(() => parseOnly(["--only", "unit", "fmt"], KNOWN))
      .toThrow(UsageError);
  });
});
