import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { checkoutDir, supabaseDir, supabaseProgram } from "./paths.ts";
import type { Postgres } from "./postgres.ts";
import { runOrThrow } from "./run.ts";
import { querySql, type SqlSession } from "./sql.ts";

/** Applies the migrations that are missing, with the Supabase CLI. */
export async function migrate(
  postgres: Postgres,
  dbUrl: string,
): Promise<void> {
  const wanted = migrationVersions();
  const applied = await appliedVersions(postgres);
  // The CLI takes a second even to find out that there is nothing to do.
  if (wanted.every((version) => applied.has(version))) return;
  const args = [
    "migration",
    "up",
    "--yes",
    "--include-all",
    `--remote=${dbUrl}?sslmode=disable`,
  ];
  await runOrThrow("supabase migration up", supabaseProgram(), args, {
    cwd: checkoutDir,
    env: { ...process.env, DO_NOT_TRACK: "1" },
  });
}

function migrationVersions(): string[] {
  const dir = join(supabaseDir, "migrations");
  if (!existsSync(dir)) return [];
  return readdirSync(dir).flatMap((name) =>
    /^(\d+)_.*\.sql$/.exec(name)?.[1] ?? []
  );
}

async function appliedVersions(postgres: Postgres): Promise<Set<string>> {
  const session: SqlSession = { role: "postgres" };
  const table = "supabase_migrations.schema_migrations";
  const [found] = await querySql<{ exists: boolean }>(
    postgres,
    session,
    `select to_regclass('${table}') is not null as exists`,
  );
  if (!found?.exists) return new Set();
  const rows = await querySql<{ version: string }>(
    postgres,
    session,
    `select version from ${table}`,
  );
  return new Set(rows.map((row) => row.version));
}
