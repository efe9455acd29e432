import { describe, expect, it } from "vitest";
import { everyday, otherCorners, type Plan } from "./plan.ts";
import { parseOnly, planOf, UsageError } from "./selection.ts";

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

describe("planOf()", () => {
  it("is that of npm test by default, or the rest", () => {
    expect(planOf([])).toBe(everyday);
    expect(planOf(["--other-corners"])).toBe(otherCorners);
  });

  it("leaves nothing out between the two, and nothing in both", () => {
    const names = [...namesIn(everyday), ...namesIn(otherCorners)];
    expect(new Set(names).size).toBe(names.length);
    expect(namesIn(planOf(["--only", names.join(",")])).sort())
      .toEqual([...names].sort());
  });

  it("keeps the steps that are wanted", () => {
    const plan = planOf(["--only", "fmt,e2e,database-as-hosted"]);
    expect(namesIn(plan)).toEqual(["fmt", "e2e", "database-as-hosted"]);
  });
});

function namesIn({ crews, last }: Plan): string[] {
  return [
    ...crews.flatMap(({ lanes, files, steps }) => [
      ...lanes.flatMap((lane) => lane.steps),
      ...files,
      ...steps,
    ]),
    ...last,
  ].map(({ name }) => name);
}
