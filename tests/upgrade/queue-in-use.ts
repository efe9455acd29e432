import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { checkoutDir, supabaseDir } from "../../stack/paths.ts";
import {
  applyOtherMigrations,
  migrationFiles,
} from "../support/old-database.ts";
import { pauseJobs } from "../support/pause-jobs.ts";

/** The last migration of the state from which is upgraded. */
export const LAST_BEFORE = "20261128180400";

/** Applies the migrations up to this version and none after it. */
export function applyUpTo(dbUrl: string, version: string): Promise<void> {
  return applyOtherMigrations(dbUrl, (migrations) => {
    for (const name of migrationFiles()) {
      if (name.slice(0, 14) > version) continue;
      copyFileSync(
        join(supabaseDir, "migrations", name),
        join(migrations, name),
      );
    }
  });
}

/** A database with the migrations up to LAST_BEFORE, in use (used-before.sql). */
export async function queueInUse(name: string): Promise<ThrowAwayDatabase> {
  const workDir = join(checkoutDir, ".stack", "test-upgrade");
  const database = await makeThrowAwayDatabase(workDir, name, true);
  try {
    await applyUpTo(database.url, LAST_BEFORE);
    // No job runs between what the test does.
    await pauseJobs(database.adminUrl);
    const sql = postgres(database.url, { max: 1, onnotice: () => {} });
    const file = new URL("./used-before.sql", import.meta.url);
    await sql.unsafe(readFileSync(file, "utf8")).finally(() => sql.end());
  } catch (error) {
    await database.discard();
    throw error;
  }
  return database;
}
