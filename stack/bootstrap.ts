import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beginFirstStart } from "./interrupted-start.ts";
import type { Postgres } from "./postgres.ts";
import { runSqlFiles } from "./sql.ts";
import type { StateDirs } from "./state-dir.ts";

const sqlDir = fileURLToPath(new URL("./bootstrap", import.meta.url));

/**
 * Makes a plain Postgres look like a Supabase database, once per database.
 *
 * Returns true when it had to, that is, when the database is new.
 */
export async function bootstrap(
  postgres: Postgres,
  dirs: StateDirs,
  exposeNewTables: boolean,
): Promise<boolean> {
  const stamp = join(dirs.postgres, "data", "stack-bootstrapped");
  if (existsSync(stamp)) return false;
  const files = readdirSync(sqlDir).filter((name) => name.endsWith(".sql"));
  await runSqlFiles(
    postgres,
    {
      role: "supabase_admin",
      settings: { "stack.expose_new_tables": String(exposeNewTables) },
    },
    files.sort().map((name) => join(sqlDir, name)),
  );
  beginFirstStart(dirs);
  writeFileSync(stamp, "");
  return true;
}
