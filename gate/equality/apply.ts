import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Postgres } from "../../stack/postgres.ts";
import { runSqlFiles } from "../../stack/sql.ts";
import { schemaFiles } from "../migrations/schema-files.ts";
import type { CheckoutContext } from "../step.ts";

/** Brings an empty database up the way production goes. */
export async function applyMigrations(
  { run }: CheckoutContext,
  url: string,
): Promise<void> {
  const up = await run("supabase", [
    ...["migration", "up", "--yes", "--include-all"],
    `--remote=${url}?sslmode=disable`,
  ]);
  if (!up.ok) throw new Error(`supabase migration up failed:\n${up.output}`);
}

/** Brings an empty database up from the schema files, in load order. */
export async function applySchemas(
  { root, workDir }: CheckoutContext,
  postgres: Postgres,
): Promise<void> {
  const file = join(workDir, "schemas.sql");
  writeFileSync(file, schemaFiles(root).map(({ text }) => text).join("\n"));
  await runSqlFiles(postgres, { role: "postgres" }, [file]);
}
