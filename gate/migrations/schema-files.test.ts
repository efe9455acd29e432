import { describe, expect, it } from "vitest";
import { checkoutDir } from "../../stack/paths.ts";
import { schemaFiles, schemaStatements } from "./schema-files.ts";

const files = schemaFiles(checkoutDir);

/** Each statement with the name of its file. */
const statements = files.flatMap(({ name, text }) =>
  schemaStatements(text).map((statement) => ({ name, ...statement }))
);

/** The steps of one call stand together, or are pages to look up in: a claim, a beat, a count, the wrappers (ADR 0024). */
const OF_ONE_CALL = /^(?:40_claim|75_workers|80_reads|90_api)\//;

/** What it makes. */
const MAKES = /^create (?:or replace )?(?:function|table|view|type) \S+/;

describe("a schema file", () => {
  it.each(files)("$name is read in one go", ({ name, text }) => {
    expect(text.split("\n").length - 1).toBeLessThanOrEqual(
      OF_ONE_CALL.test(name) ? 400 : 300,
    );
  });

  it.each(files)("$name begins with what it is about", ({ text }) => {
    expect(text).toMatch(/^-- [A-Z]/);
  });

  it("says right before each function, table, view and type what it is", () => {
    const bare = statements
      .filter(({ code }) => MAKES.test(code))
      .filter(({ text, code }) =>
        !/--[^\n]*\n$/.test(text.slice(0, text.length - code.length))
      )
      .map(({ name, code }) => `${name}: ${MAKES.exec(code)?.[0]}`);
    expect(bare).toEqual([]);
  });

  it("gives rights in 91_grants, and nowhere else", () => {
    const elsewhere = statements
      .filter(({ code }) => /^(?:revoke|grant|create policy)\b/.test(code))
      .filter(({ name }) => !name.startsWith("91_grants/"))
      .map(({ name, code }) => `${name}: ${code}`);
    expect(elsewhere).toEqual([]);
  });

  it("makes nothing after the rights, which would stay open", () => {
    const late = statements
      .filter(({ name }) => name >= "91_")
      .filter(({ code }) => MAKES.test(code))
      .map(({ name, code }) => `${name}: ${code}`);
    expect(late).toEqual([]);
  });
});
