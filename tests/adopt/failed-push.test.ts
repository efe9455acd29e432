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
import postgres from "postgres";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { UNINSTALL_SQL } from "../../cli/uninstall.ts";
import { describeCatalog } from "../../gate/equality/catalog.ts";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { guestMigration } from "../../gate/migrations/guest.ts";
import { query } from "../../gate/query.ts";
import { checkoutDir, supabaseProgram } from "../../stack/paths.ts";
import { run } from "../../stack/run.ts";

// A push is a process of its own, on a machine that does other things too.
const WAIT = { timeout: 120_000, interval: 50 };

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

it.each([0.1, 0.5, 0.99])(
  "a push whose connection is cut after %f of the schema leaves nothing, and may be repeated",
  async (part) => {
    await query(database.url, UNINSTALL_SQL);
    await query(
      database.url,
      "delete from supabase_migrations.schema_migrations where name like 'fairlane%'",
    );
    const before = await describeCatalog(database.url);
    // The statement at which it is cut waits for us.
    const whole = guestMigration(checkoutDir);
    const cut = whole.indexOf("\ncreate ", part * whole.length);
    const file = "20261201000000_fairlane_0001_schema.sql";
    write(
      file,
      `${whole.slice(0, cut)}\nselect pg_advisory_lock(29);\n${
        whole.slice(cut)
      }`,
    );
    const holder = postgres(database.adminUrl, { max: 1 });
    try {
      await holder`select pg_advisory_lock(29)`;
      const pushing = push();
      await vi.waitFor(async () => {
        const [waiting] = await holder`
          select pg_terminate_backend(l.pid) as cut from pg_locks as l
          where l.locktype = 'advisory' and l.objid = 29 and not l.granted
        `;
        expect(waiting).toMatchObject({ cut: true });
      }, WAIT);
      const failed = await pushing;
      expect(failed.code, failed.output).not.toBe(0);
    } finally {
      await holder.end();
    }
    expect(await describeCatalog(database.url)).toEqual(before);
    write(file, whole);
    const pushed = await push();
    expect(pushed, pushed.output).toMatchObject({ code: 0 });
  },
);

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
