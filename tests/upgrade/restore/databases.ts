import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../../gate/equality/throw-away-database.ts";
import { checkoutDir } from "../../../stack/paths.ts";
import {
  chosenServer,
  postgresServer,
} from "../../../stack/postgres-server.ts";
import { runOrThrow } from "../../../stack/run.ts";
import { applyMigrations } from "../../support/old-database.ts";

const workDir = join(checkoutDir, ".stack", "test-restore");

/** A database of a test, with a connection as `postgres`, who is no superuser. */
export interface TestDatabase extends ThrowAwayDatabase {
  readonly sql: postgres.Sql;
}

/** What looks like a new Supabase project. */
export function emptyDatabase(name: string): Promise<TestDatabase> {
  return makeDatabase(name);
}

async function makeDatabase(
  name: string,
  copyOf?: string,
): Promise<TestDatabase> {
  const options = copyOf === undefined ? {} : { copyOf };
  const made = await makeThrowAwayDatabase(workDir, name, true, options);
  const sql = postgres(made.url, { max: 1, onnotice: () => {} });
  return {
    ...made,
    sql,
    async discard() {
      await sql.end({ timeout: 5 });
      await made.discard();
    },
  };
}

/** Migrated once, for all tests: each has a copy. */
let migrated: Promise<string> | undefined;

/** The same with all migrations; the jobs do not run while a test looks. */
export async function migratedDatabase(name: string): Promise<TestDatabase> {
  migrated ??= migrateOnce();
  return await makeDatabase(name, await migrated);
}

async function migrateOnce(): Promise<string> {
  const made = await emptyDatabase("migrated");
  await applyMigrations(made.url);
  await made.sql`
    select cron.alter_job(j.jobid, active := false) from cron.job as j
  `;
  await made.sql.end();
  return await made.keep();
}

/** A queue that has been used. */
export async function usedDatabase(name: string): Promise<TestDatabase> {
  const made = await migratedDatabase(name);
  const file = new URL("./used-queue.sql", import.meta.url);
  await made.sql.unsafe(readFileSync(file, "utf8"));
  return made;
}

const programs = postgresServer(15).programs("");

/** Npm's Postgres comes without pg_dump, and Debian's knows no newer server. */
export const hasPgDump = chosenServer().major === 15 &&
  existsSync(join(programs, "pg_dump"));

/** `pg_dump` or `pg_restore` as `postgres`, with the options of the docs. */
export async function runProgram(
  name: "pg_dump" | "pg_restore",
  args: string[],
): Promise<string> {
  return await runOrThrow(name, join(programs, name), args, {
    env: { ...process.env, PGPASSWORD: "postgres" },
  });
}

/** `restore` of docs/operations.md: what is tested is what is read there. */
export function documentedRestore(): string {
  const docs = readFileSync(join(checkoutDir, "docs", "operations.md"), "utf8");
  const block = /```bash\n(restore\(\) \{\n[^]*?\n\})\n```/.exec(docs)?.[1];
  if (block === undefined) throw new Error("docs/operations.md has no restore");
  return block;
}

/** Commands as an operator types them, with the programs of the server. */
export async function runCommands(
  commands: string,
  options: { cwd: string; database: string },
): Promise<void> {
  await runOrThrow("bash", "bash", ["-c", commands], {
    cwd: options.cwd,
    env: {
      ...process.env,
      PATH: `${programs}:${process.env["PATH"] ?? ""}`,
      DB: options.database,
      PGPASSWORD: "postgres",
    },
  });
}
