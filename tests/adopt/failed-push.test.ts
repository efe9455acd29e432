import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeCatalog } from "../../gate/equality/catalog.ts";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { guestMigration } from "../../gate/migrations/guest.ts";
import { query } from "../../gate/query.ts";
import { checkoutDir, supabaseProgram } from "../../stack/paths.ts";
import { run } from "../../stack/run.ts";

const JOBS = readFileSync(
  join(checkoutDir, "cli", "assets", "migrations", "jobs.sql"),
  "utf8",
);

let root: string;
let database: ThrowAwayDatabase;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "failed-push-"));
  const workDir = join(checkoutDir, ".stack", "adopt");
  mkdirSync(workDir, { recursive: true });
  database = await makeThrowAwayDatabase(workDir, "failed-push", true);
}, 300_000);
afterAll(async () => {
  await database?.discard();
  rmSync(root, { recursive: true });
});

it("a push that fails anywhere in the schema leaves nothing, and may be repeated", async () => {
  await push(); // the history of migrations is the CLI's
  const before = await describeCatalog(database.url);
  const whole = guestMigration(checkoutDir);
  const half = whole.indexOf("\ncreate function", whole.length / 2);
  for (const text of [whole.slice(0, half), whole]) {
    write(
      "20261201000000_fairlane_0001_schema.sql",
      `${text}\nselect 1 / 0;\n`,
    );
    const failed = await push();
    expect(failed.code).not.toBe(0);
    expect(failed.output).toContain("division by zero");
    expect(await describeCatalog(database.url)).toEqual(before);
  }
  write("20261201000000_fairlane_0001_schema.sql", whole);
  const pushed = await push();
  expect(pushed, pushed.output).toMatchObject({ code: 0 });
});

it("jobs without pg_cron are refused with what to do; with it they are there", async () => {
  await query(database.adminUrl, "drop extension if exists pg_cron");
  write("20261201000001_fairlane_jobs.sql", JOBS);
  const refused = await push();
  expect(refused.code).not.toBe(0);
  expect(refused.output).toContain("Enable pg_cron");
  await query(database.adminUrl, "create extension pg_cron");
  const pushed = await push();
  expect(pushed, pushed.output).toMatchObject({ code: 0 });
  expect(
    await query(
      database.url,
      "select count(*)::integer as jobs from cron.job where jobname like 'fairlane-%'",
    ),
  ).toEqual([{ jobs: 8 }]);
});

function write(file: string, text: string): void {
  const path = join(root, "supabase", "migrations", file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function push(): ReturnType<typeof run> {
  return run(supabaseProgram(), [
    ...["db", "push", "--yes", `--remote=${database.url}?sslmode=disable`],
  ], { cwd: root, env: { ...process.env, DO_NOT_TRACK: "1" } });
}
