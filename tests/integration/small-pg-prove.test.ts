import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Outcome } from "../../gate/outcome.ts";
import { smallPgProve } from "../../gate/tap/small-pg-prove.ts";
import { parseTap } from "../../gate/tap-result.ts";
import { stack } from "../support/stack.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "small pg prove-"));
  mkdirSync(join(root, "tests"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Runs scripts as pgTAP tests, each within a transaction that has pgTAP. */
async function prove(...scripts: string[]): Promise<Outcome> {
  for (const [index, script] of scripts.entries()) {
    const text = "begin;\n" +
      "create extension if not exists pgtap with schema extensions;\n" +
      `${script}\nrollback;\n`;
    writeFileSync(join(root, "tests", `${index}.test.sql`), text);
  }
  return parseTap(await smallPgProve(root, stack().dbUrl, ["tests"]));
}

const FINE = "select plan(1); select pass('fine'); select * from finish();";

describe("smallPgProve()", () => {
  it("counts what passes, file by file", async () => {
    expect(await prove(FINE, FINE))
      .toEqual({ passed: 2, failed: 0, skipped: [], report: "" });
  });

  it("shows what failed, and pgTAP's words on it", async () => {
    const outcome = await prove(
      "select plan(2); select is(1, 2, 'same'); select pass('fine');" +
        "select * from finish();",
    );
    expect(outcome).toMatchObject({ passed: 1, failed: 1 });
    expect(outcome.report).toContain("not ok 1 - same");
    expect(outcome.report).toContain("want: 2");
  });

  it("keeps values of all kinds as psql does", async () => {
    expect(
      await prove(`
        select plan(3);
        select 'a\\b' as path, null as nothing, now() as moment \\gset
        select 1 as id \\gset row_
        select is(:'path'::text, 'a\\b', 'text');
        select is(:'moment'::timestamptz, now(), 'to the microsecond');
        select is(:row_id, 1, 'under a prefix');
        select * from finish();
      `),
    ).toMatchObject({ passed: 3, failed: 0 });
  });

  it.each([
    ["dies", "select plan(1); select pass('fine'); select nosuch();"],
    ["has no plan", "select pass('fine') from (select 1) as a where false;"],
    ["runs too little", "select plan(2); select pass('fine');"],
    ["runs too much", "select plan(1); select pass('a'); select pass('b');"],
    [
      "keeps no row",
      "select plan(1); select pass('a'); select 1 where false \\gset",
    ],
  ])("fails a file that %s", async (_what, script) => {
    expect((await prove(script, FINE)).failed).toBe(1);
  });

  it("names the line of an error", async () => {
    const { report } = await prove(`${FINE}\nselect nosuch();`);
    expect(report).toMatch(
      /0\.test\.sql:4: function nosuch\(\) does not exist/,
    );
  });

  it("refuses a path that does not exist", async () => {
    await expect(smallPgProve(root, stack().dbUrl, ["tests", "nowhere"]))
      .rejects.toThrow("There is no nowhere");
  });
});
