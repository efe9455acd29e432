import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { packageOf } from "./example-package.ts";
import { main } from "./main.ts";
import { UNINSTALL_SQL } from "./uninstall.ts";

let home: string;
let root: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "fairlane main "));
  root = join(home, "app");
  mkdirSync(root);
});
afterEach(() => rmSync(home, { recursive: true }));

/** Runs a command line in the project: its exit code, and what it printed. */
async function run(...argv: string[]) {
  const printed: string[] = [];
  const note = (text: unknown) => void printed.push(String(text));
  vi.spyOn(console, "log").mockImplementation(note);
  vi.spyOn(console, "error").mockImplementation(note);
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, "write").mockImplementation((text) => {
      note(text);
      return true;
    });
  }
  const pack = packageOf(home, "1.2.3", ["0001"]);
  const code = await main(["-C", root, ...argv], pack);
  vi.restoreAllMocks();
  return { code, printed: printed.join("\n") };
}

describe("the command line", () => {
  it.each([
    [["--version"], 0, /^1\.2\.3\n/],
    [["--help"], 0, /init .* add the queue/],
    [["init", "--worker", "cobol"], 2, /python, typescript/],
    [["explode"], 2, /unknown command/],
    [["limit"], 2, /--db-url/],
    [["limit", "many", "--db-url", "x"], 2, /a number of tasks, or default/],
    [["limit", "--db-url", "x", "--owner", "me"], 2, /a UUID/],
    [["limit", "default", "--db-url", "x"], 1, /name them with --owner/],
    [["limit", "--db-url", "no address"], 1, /ERR_INVALID_URL/],
    [["doctor", "--url", "https://x.test"], 1, /FAIRLANE_KEY/],
    [["upgrade"], 1, /`fairlane init` adds it/],
    [["uninstall", "--yes"], 1, /`fairlane init` adds it/],
  ])("%j ends with %i", async (argv, code, words) => {
    const ran = await run(...argv);
    expect(ran.printed).toMatch(words);
    expect(ran.code).toBe(code);
    expect(readdirSync(root)).toEqual([]);
  });
});

describe("consent", () => {
  it("is asked for, and nobody is there to give it", async () => {
    const { code, printed } = await run("init");
    expect(printed).toMatch(/create .*_fairlane_0001_part\.sql[^]*say --yes/);
    expect([code, readdirSync(root)]).toEqual([1, []]);
  });

  it("is given by --yes", async () => {
    const { code, printed } = await run("init", "--yes");
    expect(printed).toContain("npx supabase db push --remote");
    expect(code).toBe(0);
    expect(readdirSync(root)).toContain("supabase");
    expect(await run("init", "--yes")).toEqual({
      code: 0,
      printed: "Nothing to do: everything is there.",
    });
  });

  it("is not needed to look", async () => {
    const { code, printed } = await run("init", "--dry-run");
    expect(printed).toContain("supabase/config.toml");
    expect([code, readdirSync(root)]).toEqual([0, []]);
  });

  it.each([
    [[], false],
    [["--yes"], true],
    [["--yes", "--dry-run"], false],
  ])("of programs is said beforehand: --json %j", async (more, done) => {
    const { code, printed } = await run("init", "--json", ...more);
    expect(code).toBe(0);
    expect(JSON.parse(printed)).toMatchObject({
      done,
      changes: expect.arrayContaining([
        expect.objectContaining({ path: "supabase/config.toml" }),
      ]),
      next: [expect.any(String), expect.any(String)],
    });
    expect(readdirSync(root)).toHaveLength(done ? 2 : 0);
  });
});

describe("sql", () => {
  it("is everything in one file, or what removes it", async () => {
    expect((await run("sql", "--jobs", "--bucket")).printed)
      .toBe("-- 0001\n-- jobs\n-- bucket");
    expect((await run("sql", "--uninstall")).printed).toBe(UNINSTALL_SQL);
  });
});

describe("doctor", () => {
  it("says what it did not look at", async () => {
    const { code, printed } = await run("doctor", "--json");
    expect(code).toBe(0);
    const { findings, notLookedAt } = JSON.parse(printed);
    expect(findings).toMatchObject([{ code: "not-installed" }]);
    expect(notLookedAt.slice(-2)).toEqual([
      expect.stringContaining("--db-url"),
      expect.stringContaining("--url"),
    ]);
  });

  it("ends with 1 when something keeps the queue from working", async () => {
    const database = ["--db-url", "postgresql://127.0.0.1:1/postgres"];
    const { code, printed } = await run("doctor", ...database);
    expect(printed).toContain("ECONNREFUSED");
    expect(code).toBe(1);
    const init = await run("init", "--yes", ...database);
    expect([init.code, readdirSync(root)]).toEqual([1, []]);
  });
});
