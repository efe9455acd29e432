import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { supabaseDir } from "./paths.ts";
import type { Postgres } from "./postgres.ts";
import { runSqlFiles } from "./sql.ts";
import type { StateDirs } from "./state-dir.ts";

/** Loads supabase/seed.sql once per database; returns whether it did. */
export async function seed(
  postgres: Postgres,
  dirs: StateDirs,
): Promise<boolean> {
  const file = join(supabaseDir, "seed.sql");
  // A stamp and not "was the database new": a start may fail before the seed.
  const stamp = join(dirs.postgres, "data", "stack-seeded");
  if (existsSync(stamp) || !existsSync(file)) return false;
  await runSqlFiles(postgres, { role: "postgres" }, [file]);
  writeFileSync(stamp, "");
  return true;
}
