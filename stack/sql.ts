import { readFileSync } from "node:fs";
import { basename } from "node:path";
import postgres from "postgres";
import type { Postgres } from "./postgres.ts";

/** Who asks, and what is set in the session. */
export interface SqlSession {
  role: "supabase_admin" | "postgres";
  settings?: Record<string, string>;
}

/** Runs files, one after the other, in one transaction. */
export async function runSqlFiles(
  server: Postgres,
  session: SqlSession,
  files: readonly string[],
): Promise<void> {
  await inSession(server, session, (sql) =>
    sql.begin(async (transaction) => {
      for (const file of files) {
        const text = readFileSync(file, "utf8");
        await transaction.unsafe(text).catch((error: unknown) => {
          throw new Error(`${basename(file)}${explain(error, text)}`);
        });
      }
    }));
}

/** Runs one statement. */
export async function querySql<Row extends object>(
  server: Postgres,
  session: SqlSession,
  statement: string,
): Promise<Row[]> {
  return await inSession(
    server,
    session,
    async (sql) => [...await sql.unsafe<Row[]>(statement)],
  );
}

/** Over the local socket, where no password is asked for. */
async function inSession<T>(
  { socketDir, port }: Postgres,
  { role, settings }: SqlSession,
  work: (sql: postgres.Sql) => Promise<T>,
): Promise<T> {
  const sql = postgres({
    // The client takes the directory of a socket for a host, unless it is given
    // the socket itself.
    path: `${socketDir}/.s.PGSQL.${port}`,
    database: "postgres",
    user: role,
    max: 1,
    // A notice for each thing that exists already is noise here.
    connection: { client_min_messages: "warning", ...settings },
    onnotice: () => {},
  });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

/** Where in the file, and what the server says. */
function explain(error: unknown, text: string): string {
  if (!(error instanceof postgres.PostgresError)) return `: ${String(error)}`;
  const before = text.slice(0, Number(error.position ?? 0));
  const line = error.position ? `:${before.split("\n").length}` : "";
  return `${line}: ${error.message}`;
}
