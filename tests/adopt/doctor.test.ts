import { mkdirSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { examineDatabase } from "../../cli/doctor/database.ts";
import type { Finding } from "../../cli/finding.ts";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { guestMigration } from "../../gate/migrations/guest.ts";
import { query } from "../../gate/query.ts";
import { VERSION } from "../../shared/version.ts";
import { pickFreePort } from "../../stack/ports.ts";
import { checkoutDir } from "../../stack/paths.ts";

let database: ThrowAwayDatabase;
beforeAll(async () => {
  const workDir = join(checkoutDir, ".stack", "doctor");
  mkdirSync(workDir, { recursive: true });
  database = await makeThrowAwayDatabase(workDir, "app", true);
});
afterAll(() => database?.discard());

/** What is found while this is planted; it is taken back as the same role. */
async function whilePlanted(
  plant: string,
  takeBack: string,
  url = database.url,
): Promise<readonly Finding[]> {
  await query(url, plant);
  try {
    return await findings();
  } finally {
    await query(url, takeBack);
  }
}

async function findings(): Promise<readonly Finding[]> {
  const found = await examineDatabase(database.url, { version: VERSION });
  expect(found.notLookedAt).toEqual([]);
  return found.findings.filter(isOfTheQueue);
}

function codes(found: readonly Finding[]): string[] {
  return found.filter(isOfTheQueue)
    .map(({ severity, code }) => `${severity} ${code}`);
}

/** Debian's pg_cron is an old one; a test of its own asks for that. */
function isOfTheQueue({ code }: Finding): boolean {
  return code !== "pg-cron-too-old";
}

describe("a database that cannot be reached", () => {
  it("is a finding, which does not tell the password", async () => {
    const closed = await pickFreePort();
    const addresses = [
      `postgresql://postgres:hunter2@127.0.0.1:${closed}/postgres`,
      database.url.replace(/\/\/[^@]*@/, "//nobody:hunter2@"),
      "postgresql://postgres:hunter2#@[host/postgres",
    ];
    for (const url of addresses) {
      const found = await examineDatabase(url, { version: VERSION });
      expect(codes(found.findings)).toEqual(["error database-unreachable"]);
      expect(found.notLookedAt).toHaveLength(1);
      expect(JSON.stringify(found)).not.toContain("hunter2");
    }
  });
});

describe("a project without the queue", () => {
  it("is ready for it", async () => {
    expect(await findings()).toEqual([]);
  });

  it.each(["fairlane", "fairlane_core"])("has a schema %s", async (name) => {
    const found = await whilePlanted(
      `create schema ${name}; create table ${name}.cars (id bigint)`,
      `drop schema ${name} cascade`,
    );
    expect(codes(found)).toEqual(["error schema-taken"]);
    expect(found[0]?.what).toContain(`schema ${name} `);
  });

  it("has a clock that differs", async () => {
    for (const seconds of [-40, 40]) {
      const { findings } = await examineDatabase(database.url, {
        version: VERSION,
        now: () => Date.now() + seconds * 1000,
      });
      expect(codes(findings)).toEqual(["warning clocks-differ"]);
    }
  });

  it("is none of Supabase", async () => {
    const found = await whilePlanted(
      "alter role anon rename to anonymous",
      "alter role anonymous rename to anon",
      database.adminUrl,
    );
    expect(codes(found)).toEqual(["error roles-missing"]);
    expect(found[0]?.what).toContain("lacks anon");
  });

  it("has an old pg_cron, or one that knows seconds", async () => {
    const setVersion = (version: string) =>
      query(
        database.adminUrl,
        `update pg_extension set extversion = '${version}' where extname = 'pg_cron'`,
      );
    const [row] = await query<{ version: string }>(
      database.url,
      "select extversion as version from pg_extension where extname = 'pg_cron'",
    );
    const told = { "1.4-1": true, "1.5-1": false, "1.10": false, "2.0": false };
    for (const [version, isTold] of Object.entries(told)) {
      await setVersion(version);
      const { findings } = await examineDatabase(database.url, {
        version: VERSION,
      });
      const found = findings.some(({ code }) => code === "pg-cron-too-old");
      expect(found, version).toBe(isTold);
    }
    await setVersion(row?.version ?? "");
  });

  it("is looked at by somebody who is no service", async () => {
    await query(
      database.adminUrl,
      "create role looker login password 'postgres'",
    );
    const url = database.url.replace("//postgres:", "//looker:");
    const { findings } = await examineDatabase(url, { version: VERSION });
    expect(codes(findings)).toEqual(["warning login-is-no-service"]);
  });
});

describe("a project with the queue", () => {
  beforeAll(async () => {
    await query(database.url, guestMigration(checkoutDir));
  });

  it("has no jobs at first, but for those of a timer", async () => {
    const found = await findings();
    expect(codes(found)).toEqual(["warning jobs-not-scheduled"]);
    expect(found[0]?.remedy).toMatch(/init --jobs[^]*run_job.*\brescue\b/);

    // As the remedy says.
    await query(
      database.url,
      "select fairlane_core.run_job(j.job) from fairlane_core.jobs() as j",
    );
    expect(await findings()).toEqual([]);
  });

  it("is fine with its jobs", async () => {
    await query(database.url, "select fairlane_core.schedule_jobs()");
    expect(await findings()).toEqual([]);
  });

  it("has a job that is late, or fails", async () => {
    const update = (set: string) =>
      `update fairlane_core.job_runs set ${set} where job = 'purge'`;
    const late = await whilePlanted(
      update("ran_at = now() - interval '1 day'"),
      update("ran_at = now()"),
    );
    expect(codes(late)).toEqual(["warning job-late"]);
    expect(late[0]?.what).toContain("Job purge last ran at");
    const failed = await whilePlanted(
      update("failed_at = now(), error = 'no room', ran_at = null"),
      update("failed_at = null, error = null"),
    );
    expect(codes(failed)).toEqual(["warning job-failed"]);
    expect(failed[0]?.what).toContain("no room");
  });

  it("is held up by somebody, and does not wait for them", async () => {
    const holder = postgres(database.url, { max: 1 });
    try {
      await holder.begin(async (transaction) => {
        await transaction`lock table fairlane_core.job_runs`;
        const found = await findings();
        expect(codes(found)).toEqual(["warning held-up"]);
        expect(found[0]?.what).toContain("fairlane_core.job_runs");
      });
    } finally {
      await holder.end();
    }
  });

  it("has a row that is gone", async () => {
    const found = await whilePlanted(
      "create table public.kept as table fairlane_core.clock_watch; delete from fairlane_core.clock_watch",
      "insert into fairlane_core.clock_watch table public.kept; drop table public.kept",
    );
    expect(codes(found)).toEqual(["error row-missing"]);
  });

  it("has grants that it was not shipped with", async () => {
    const wide = await whilePlanted(
      "grant update on fairlane.tasks to authenticated",
      "select 1",
    );
    expect(codes(wide)).toEqual(["warning grants-too-wide"]);
    await query(database.url, wide[0]?.remedy ?? "");
    expect(await findings()).toEqual([]);
  });

  it.each([
    ["table fairlane.workers", "grant select on fairlane.workers to anon"],
    [
      "table fairlane.user_api_tokens",
      "grant select (token_hash) on fairlane.user_api_tokens to public",
    ],
    [
      "function fairlane.health(p_caller jsonb)",
      "grant execute on function fairlane.health(jsonb) to anon",
    ],
    ["schema fairlane_core", "grant usage on schema fairlane_core to public"],
  ])("is open to anybody: %s", async (object, grant) => {
    const found = await whilePlanted(grant, "select 1");
    expect(codes(found)).toEqual(["error open-to-anybody"]);
    expect(found[0]?.what).toContain(object);
    await query(database.url, found[0]?.remedy ?? "");
    expect(await findings()).toEqual([]);
  });

  it("has a table without row security", async () => {
    const found = await whilePlanted(
      "alter table fairlane.projects disable row level security",
      "select 1",
    );
    expect(codes(found)).toEqual(["error row-security-off"]);
    await query(database.url, found[0]?.remedy ?? "");
    expect(await findings()).toEqual([]);
  });

  it("is used by the app", async () => {
    const found = await whilePlanted(
      `create view public.done as select id from fairlane.tasks where status = 'Complete';
       create table public.shots (task_id uuid references fairlane.tasks (id) on delete set null)`,
      "drop view public.done; drop table public.shots",
    );
    expect(codes(found)).toEqual(["note used-by-the-app"]);
    expect(found[0]?.what).toMatch(/public\.done|view done/);
    expect(found[0]?.what).toContain("shots_task_id_fkey");
  });

  it("does not see who has an account", async () => {
    const blind = () =>
      whilePlanted(
        "alter role postgres nobypassrls",
        "alter role postgres bypassrls",
        database.adminUrl,
      );
    const found = await blind();
    expect(codes(found)).toEqual(["error accounts-unseen"]);
    expect(found[0]?.what).toMatch(/^postgres, who owns/);
    const setting = "update fairlane_core.settings set owners_are_accounts =";
    await query(database.url, `${setting} false`);
    expect(await blind()).toEqual([]);
    await query(database.url, `${setting} true`);
  });

  it("is of another version", async () => {
    const of = (version: string) =>
      `create or replace function fairlane_core.version() returns text language sql immutable set search_path = '' as $$ select '${version}' $$`;
    expect(codes(await whilePlanted(of("0.0.9"), of(VERSION))))
      .toEqual(["warning schema-too-old"]);
    expect(codes(await whilePlanted(of("999.0.0"), of(VERSION))))
      .toEqual(["warning package-too-old"]);
  });

  it("is of a version that cannot tell all", async () => {
    await query(
      database.url,
      "alter function fairlane_core.wide_grants() rename to grants_of_old",
    );
    const found = await examineDatabase(database.url, { version: VERSION });
    await query(
      database.url,
      "alter function fairlane_core.grants_of_old() rename to wide_grants",
    );
    expect(codes(found.findings)).toEqual([]);
    expect(found.notLookedAt).toEqual([
      expect.stringMatching(/^Grants .*another version/),
    ]);
  });

  it("is half gone", async () => {
    const found = await whilePlanted(
      "alter schema fairlane rename to elsewhere",
      "alter schema elsewhere rename to fairlane",
    );
    expect(codes(found)).toEqual(["error schema-missing"]);
  });

  it("is looked at by somebody who may not read it", async () => {
    const url = database.url.replace("//postgres:", "//looker:");
    const found = await examineDatabase(url, { version: VERSION });
    expect(codes(found.findings)).toEqual(["warning login-is-no-service"]);
    expect(found.notLookedAt.map((one) => one.split(":")[0])).toEqual([
      "The version of the schema",
      "Jobs, counters and sessions in the way",
      "Grants beyond those of the migrations",
      "Whether the queue sees who has an account",
    ]);
    expect(found.notLookedAt[0]).toContain("this login may not");
  });

  it("has no pg_cron", async () => {
    const found = await whilePlanted(
      "drop extension pg_cron cascade",
      "create extension pg_cron with schema pg_catalog",
      database.adminUrl,
    );
    expect(codes(found)).toEqual(["note pg-cron-missing"]);
    expect(found[0]?.remedy).toMatch(/run_job.*: sweep, rescue, /);
  });
});
