import { readFileSync } from "node:fs";
import postgres from "postgres";
import { fillIn, parseScript, type Statement } from "./script.ts";

/** What a file of tests printed, and what stopped it if it did not end. */
export interface FileRun {
  readonly printed: string;
  readonly error: string | undefined;
}

/** Runs a file of tests as psql does, in a session of its own. */
export async function runFile(url: string, file: string): Promise<FileRun> {
  const sql = postgres(url, {
    max: 1,
    connection: { client_min_messages: "warning" },
    onnotice: () => {},
  });
  let printed = "";
  let line = 1;
  try {
    const variables = new Map<string, string>();
    for (const statement of parseScript(readFileSync(file, "utf8"))) {
      line = statement.line;
      printed += await runStatement(sql, statement, variables);
    }
    return { printed, error: undefined };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return { printed, error: `${file}:${line}: ${words}` };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Values as the server writes them: not parsed, null is undefined. */
type Row = readonly (string | undefined)[];

async function runStatement(
  sql: postgres.Sql,
  statement: Statement,
  variables: Map<string, string>,
): Promise<string> {
  const result = await sql.unsafe(fillIn(statement, variables)).raw();
  const rows = result.map((row: readonly (Uint8Array | null)[]): Row =>
    row.map((value) => value === null ? undefined : decode(value))
  );
  const { use } = statement;
  if (use === "print") return rows.map((row) => `${row.join("|")}\n`).join("");
  if (use !== "discard") {
    const names = result.columns.map(({ name }) => `${use.keepAs}${name}`);
    keep(names, rows, variables);
  }
  return "";
}

/** Exactly one row, as psql's \gset wants it. */
function keep(
  names: readonly string[],
  rows: readonly Row[],
  variables: Map<string, string>,
): void {
  const [row] = rows;
  if (row === undefined || rows.length > 1) {
    throw new Error(`\\gset wants one row, not ${rows.length}`);
  }
  for (const [index, name] of names.entries()) {
    const value = row[index];
    if (value === undefined) variables.delete(name);
    else variables.set(name, value);
  }
}

const decoder = new TextDecoder();

function decode(value: Uint8Array): string {
  return decoder.decode(value);
}
