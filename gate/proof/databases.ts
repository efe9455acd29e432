import { readFileSync } from "node:fs";
import postgres from "postgres";
import type { PostgresServer } from "../../stack/postgres-server.ts";
import {
  applyFirstMigration,
  applyMigrations,
} from "../../tests/support/old-database.ts";
import { makeSchemaByHand } from "../../tests/upgrade/by-hand.ts";
import { fillAtSize } from "../../tests/upgrade/old-database-at-size.ts";
import { query } from "../query.ts";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../equality/throw-away-database.ts";

/** What there is before the migrations. */
export interface Beginning {
  readonly name: string;
  fill(sql: postgres.Sql, url: string): Promise<void>;
}

const ROWS = 5_000;

/** The two kinds of database that are upgraded, and the empty one. */
export const BEGINNINGS: readonly Beginning[] = [
  { name: "empty", fill: () => Promise.resolve() },
  {
    name: "August 2025, the status an enum",
    async fill(sql, url) {
      await applyFirstMigration(url);
      await fillAtSize(sql, ROWS);
    },
  },
  {
    name: "August 2025, the status text, odd rows",
    async fill(sql) {
      await makeSchemaByHand(sql);
      await sql`alter table public.generations alter column created_at set default '2025-08-01'`;
      await fillAtSize(sql, ROWS);
      const file = "../../tests/upgrade/odd-rows.sql";
      await sql.unsafe(readFileSync(new URL(file, import.meta.url), "utf8"));
    },
  },
];

/** No job acts on one side and not on the other. */
const NO_JOBS = `
  create function cron.nothing_runs() returns trigger language plpgsql as
    'begin new.active := false; return new; end';
  create trigger nothing_runs before insert or update on cron.job
    for each row execute function cron.nothing_runs();
`;

/** A database that began so, with the migrations of a checkout. */
export async function migratedBy(
  checkout: string,
  { fill }: Beginning,
  place: {
    readonly workDir: string;
    readonly name: string;
    readonly server: PostgresServer;
  },
): Promise<ThrowAwayDatabase> {
  const { workDir, name, server } = place;
  const made = await makeThrowAwayDatabase(workDir, name, true, { server });
  try {
    const admin = postgres(made.adminUrl, { max: 1, onnotice: () => {} });
    await admin.unsafe(NO_JOBS).finally(() => admin.end());
    const sql = postgres(made.url, { max: 1, onnotice: () => {} });
    await fill(sql, made.url).finally(() => sql.end());
    await applyMigrations(made.url, checkout);
    await settle(made.url);
    return made;
  } catch (error) {
    await made.discard();
    throw error;
  }
}

/** What the migrations leave to a job is done; copies that nobody reads while a line is closed are brought in step. */
async function settle(url: string): Promise<void> {
  for (let left = 1; left > 0;) {
    await query(
      url,
      "select fairlane_core.run_batch(fairlane_core.begin_batches('settle'))",
    );
    const [row] = await query<{ left: number }>(
      url,
      "select count(*)::integer as left from fairlane_core.deferred_work",
    );
    left = row?.left ?? 0;
  }
  await query(
    url,
    "select fairlane_core.refresh_queues(array(select u.id from public.users as u))",
  );
}
