import { describe, expect, it } from "vitest";
import { choosePostgres } from "./postgres-choice.mjs";

const complete = { missing: [] };
const installable = { missing: ["postgresql-15"] };
const elsewhere = { missing: ["postgresql-15"], obstacle: "this is Ubuntu" };

describe("choosePostgres()", () => {
  it("takes Debian's where its packages are", () => {
    expect(choosePostgres(complete).major).toBe(15);
  });

  it("takes Debian's where they can be installed without asking", () => {
    expect(choosePostgres(installable).major).toBe(15);
  });

  it("takes npm's everywhere else, and says what was in the way", () => {
    expect(choosePostgres(elsewhere))
      .toEqual({ major: 17, because: "this is Ubuntu" });
  });

  it.each([
    ["15", elsewhere, 15],
    ["17", complete, 17],
  ])("is forced by POSTGRES=%s", (forced, machine, major) => {
    expect(choosePostgres({ ...machine, forced }))
      .toEqual({ major, because: `POSTGRES=${forced} asks for it` });
  });

  it("takes an empty POSTGRES for none", () => {
    expect(choosePostgres({ ...elsewhere, forced: "" }).major).toBe(17);
  });

  it("refuses versions that nobody has tried", () => {
    expect(() => choosePostgres({ ...complete, forced: "16" }))
      .toThrow('POSTGRES must be 15 or 17, not "16"');
  });
});
