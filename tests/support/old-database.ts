import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import postgres from "postgres";
import { bootstrap } from "../../stack/bootstrap.ts";
import {
  checkoutDir,
  supabaseDir,
  supabaseProgram,
} from "../../stack/paths.ts";
import { pickFreePort } from "../../stack/ports.ts";
import { removeDatabase, startPostgres } from "../../stack/postgres.ts";
import { runOrThrow } from "../../stack/run.ts";
import { startStack } from "../../stack/stack.ts";
import {
  databaseUrl,
  type StackAddresses,
} from "../../stack/stack-addresses.ts";
import { prepareStateDirs } from "../../stack/state-dir.ts";
import { claimStateDir } from "../../stack/state-file.ts";
import { pauseJobs } from "./pause-jobs.ts";

/** Makes the schema of August 2025, or fills it. */
export type OldContent = (sql: postgres.Sql, dbUrl: string) => Promise<void>;

/** A stack whose database was there before all but the first migration. */
export interface UpgradedStack extends StackAddresses {
  /** Stops it and deletes what it kept. */
  discard(): Promise<void>;
}

/**
 * Makes a database as it was in August 2025, fills it, and starts the stack on
 * it, which applies the remaining migrations as a deployment would.
 */
export async function upgradeOldDatabase(
  name: string,
  makeSchema: OldContent,
  fill: OldContent,
): Promise<UpgradedStack> {
  const stateDir = join(checkoutDir, ".stack", `test-upgrade-${name}`);
  await makeOldDatabase(stateDir, async (sql, url) => {
    await makeSchema(sql, url);
    await fill(sql, url);
  });
  const { stop, reset: _, ...addresses } = await startStack({
    stateDir,
    exposeNewTables: true,
  });
  // The cleanup would cancel old rows while a test looks at them.
  await pauseJobs(addresses.adminDbUrl);
  return {
    ...addresses,
    async discard() {
      await stop();
      const { postgres, sockets, state } = prepareStateDirs(stateDir);
      for (const dir of [postgres, sockets, state]) {
        rmSync(dir, { recursive: true, force: true });
      }
    },
  };
}

async function makeOldDatabase(
  stateDir: string,
  content: OldContent,
): Promise<void> {
  const dirs = prepareStateDirs(stateDir);
  // Throws when another run is at it, before anything of it is removed.
  const claim = claimStateDir(stateDir);
  try {
    await removeDatabase(dirs);
    const port = await pickFreePort();
    const server = await startPostgres({
      dirs,
      port,
      durable: false,
      log: () => {},
    });
    try {
      await bootstrap(server, dirs, true);
      const url = databaseUrl("postgres", port);
      const sql = postgres(url, { max: 1, onnotice: () => {} });
      await content(sql, url).finally(() => sql.end());
    } finally {
      await server.stop();
    }
  } finally {
    claim.release();
  }
}

/** Applies the first migration alone, with the Supabase CLI. */
export async function applyFirstMigration(dbUrl: string): Promise<void> {
  const [first = ""] = migrationFiles();
  await applyUpTo(dbUrl, first);
}

/** Applies the migrations up to this one and none after it, as a push that was cut there. */
export function applyUpTo(dbUrl: string, last: string): Promise<void> {
  return applyOtherMigrations(dbUrl, (migrations) => {
    for (const name of migrationFiles().filter((file) => file <= last)) {
      copyFileSync(
        join(supabaseDir, "migrations", name),
        join(migrations, name),
      );
    }
  });
}

/** Applies what is put into a folder for migrations, with the Supabase CLI. */
export async function applyOtherMigrations(
  dbUrl: string,
  fill: (migrations: string) => void,
): Promise<void> {
  const dir = join(checkoutDir, ".stack", `other-migrations-${process.pid}`);
  const migrations = join(dir, "supabase", "migrations");
  try {
    mkdirSync(migrations, { recursive: true });
    const config = "config.toml";
    copyFileSync(join(supabaseDir, config), join(dir, "supabase", config));
    fill(migrations);
    await applyMigrations(dbUrl, dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The names of all migrations, in their order. */
export function migrationFiles(): string[] {
  return readdirSync(join(supabaseDir, "migrations"))
    .filter((name) => name.endsWith(".sql"))
    .sort();
}

/** Applies the migrations that a database lacks; what the CLI says. */
export function applyMigrations(
  dbUrl: string,
  workDir = checkoutDir,
): Promise<string> {
  const { program, args, env } = migrationUp(dbUrl);
  return runOrThrow("supabase migration up", program, args, {
    cwd: workDir,
    env,
  });
}

/** The command that does so, for whoever wants to end it on the way. */
export function migrationUp(
  dbUrl: string,
): { program: string; args: string[]; env: NodeJS.ProcessEnv } {
  return {
    program: supabaseProgram(),
    args: [
      ...["migration", "up", "--yes", "--include-all"],
      `--remote=${dbUrl}?sslmode=disable`,
    ],
    env: { ...process.env, DO_NOT_TRACK: "1" },
  };
}
