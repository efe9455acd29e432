import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkoutDir } from "../../stack/paths.ts";
import { fillIn, parseScript } from "./script.ts";

const NO_VARIABLES = new Map<string, string>();

/** The statements of a script, as they are sent. */
function sent(script: string, variables = NO_VARIABLES): string[] {
  return parseScript(script).map((part) => fillIn(part, variables).trim());
}

describe("parseScript()", () => {
  it("ends a statement with a semicolon or a backslash command", () => {
    const script = "select 1;\nselect 2 \\gset\nselect 3 \\gset a_\n" +
      "select 4 \\g /dev/null\nselect 5";
    expect(sent(script))
      .toEqual(["select 1", "select 2", "select 3", "select 4", "select 5"]);
    expect(parseScript(script).map(({ use }) => use)).toEqual([
      "print",
      { keepAs: "" },
      { keepAs: "a_" },
      "discard",
      "print",
    ]);
  });

  it.each([
    ["a string", "select 'it''s; one'"],
    ["an escape string", String.raw`select E'it\'s; one'`],
    ["a name", 'select 1 as "a;b"'],
    ["a function's body", "do $$ begin; end $$"],
    ["a body in a named quote", "do $body$ select '$$;'; $body$"],
    ["a comment", "select 1 -- one; two\n+ 1"],
    ["a block comment", "select /* one; two */ 1"],
  ])("finds no end within %s", (_what, statement) => {
    expect(sent(`${statement};select 2`)).toEqual([statement, "select 2"]);
  });

  it("takes neither blanks nor comments for a statement", () => {
    expect(parseScript("-- nothing\n;\n/* here */\n")).toEqual([]);
  });

  it("knows the line on which a statement begins", () => {
    expect(parseScript("-- one\nselect\n1;\n\nselect 2;").map((s) => s.line))
      .toEqual([2, 5]);
  });

  it("refuses what it does not know, by line", () => {
    expect(() => parseScript("select 1;\n\\copy a from b"))
      .toThrow("Line 2: \\copy a from b is not known here");
  });

  it("can read each of the database tests", () => {
    const dir = join(checkoutDir, "supabase", "tests");
    const files = readdirSync(dir, { recursive: true }).map(String)
      .filter((name) => name.endsWith(".sql"));
    for (const file of files) {
      expect(parseScript(readFileSync(join(dir, file), "utf8")).length)
        .toBeGreaterThan(2);
    }
  });
});

describe("fillIn()", () => {
  const variables = new Map([["who", "o'brien"], ["path", "a\\b"], ["n", "7"]]);

  it.each([
    ["select :'who'", "select 'o''brien'"],
    ["select :'path'", "select  E'a\\\\b'"],
    ['select 1 as :"who"', 'select 1 as "o\'brien"'],
    ["select :n + 1", "select 7 + 1"],
  ])("fills in %s", (written, expected) => {
    expect(sent(written, variables)).toEqual([expected]);
  });

  it.each([
    "select '{}'::n",
    "select ':n' || $$:n$$",
    "select a[1:2]",
    "select :'unset', :unset",
  ])("leaves %s alone", (written) => {
    expect(sent(written, variables)).toEqual([written]);
  });
});
