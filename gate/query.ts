import postgres from "postgres";

/** Runs one statement in a session of its own. */
export async function query<Row extends object = Record<string, unknown>>(
  url: string,
  statement: string,
): Promise<Row[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return [...await sql.unsafe<Row[]>(statement)];
  } finally {
    await sql.end();
  }
}
