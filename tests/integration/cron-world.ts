import { join } from "node:path";
import postgres from "postgres";
import { makeThrowAwayDatabase } from "../../gate/equality/throw-away-database.ts";
import { checkoutDir } from "../../stack/paths.ts";
import type { Postgres } from "../../stack/postgres.ts";
import { postgresServer } from "../../stack/postgres-server.ts";

/** A database with the stand-in for pg_cron, and no timer. */
export interface CronWorld {
  readonly server: Postgres;
  /** As migrations are: not a superuser. */
  readonly owner: postgres.Sql;
  readonly superuser: postgres.Sql;
  empty(): Promise<void>;
  discard(): Promise<void>;
}

/** Makes one of its own, whatever this machine uses by itself. */
export async function makeCronWorld(name: string): Promise<CronWorld> {
  const dir = join(checkoutDir, ".stack", "test-cron");
  const options = { server: postgresServer(17) };
  const database = await makeThrowAwayDatabase(dir, name, true, options);
  const settings = { max: 1, onnotice: () => {} };
  const server = database.postgres;
  const owner = postgres(database.url, settings);
  const superuser = postgres(database.adminUrl, settings);
  await owner`create table public.marks (at timestamptz, by text)`;
  return {
    server,
    owner,
    superuser,
    async empty() {
      await superuser`truncate cron.job, cron.job_run_details, public.marks`;
    },
    async discard() {
      await Promise.all([owner.end(), superuser.end()]);
      await database.discard();
    },
  };
}
