/** What a client does with a result; kept values get names with a prefix. */
export type Use = "print" | "discard" | { readonly keepAs: string };

/** A statement of a script; variables are filled in when it runs. */
export interface Statement {
  /** SQL, and between its pieces the names of variables. */
  readonly parts: readonly Part[];
  readonly use: Use;
  /** Line of the script where it begins. */
  readonly line: number;
}

/** A piece of SQL, or a variable as `:name`, `:'name'` or `:"name"`. */
export type Part =
  | { readonly sql: string }
  | { readonly variable: string; readonly quote: "" | "'" | '"' };

/**
 * One lexeme of SQL, as psql tells them apart: within quotes, comments and
 * function bodies neither a semicolon nor a colon means anything.
 */
const LEXEME = new RegExp(
  [
    /--[^\n]*/,
    /\/\*[^]*?\*\//,
    /(?<![A-Za-z0-9_])[Ee]'(?:[^'\\]|\\[^]|'')*'/,
    /'(?:[^']|'')*'/,
    /"(?:[^"]|"")*"/,
    /(?<dollar>\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$)[^]*?\k<dollar>/,
    /::/,
    /:(?<quoted>['"]?)(?<variable>[A-Za-z_][A-Za-z0-9_]*)\k<quoted>/,
    /\\(?<command>[^\n]*)/,
    /;/,
    /[^]/,
  ].map((lexeme) => lexeme.source).join("|"),
  "gu",
);

/** What a backslash command, which ends a statement, says about its result. */
function commandUse(command: string, line: number): Use {
  const [name, argument = ""] = command.trim().split(/\s+/);
  if (name === "gset") return { keepAs: argument };
  if (name === "g" && argument === "/dev/null") return "discard";
  throw new Error(`Line ${line}: \\${command.trim()} is not known here`);
}

/**
 * Takes a script for psql apart into statements. Of psql's own language it knows
 * what the tests speak: variables, `\gset` and `\g /dev/null`.
 */
export function parseScript(script: string): Statement[] {
  const statements: Statement[] = [];
  let parts: Part[] = [];
  let line = 1;
  let begin = 0;
  const add = (sql: string) => {
    const last = parts.at(-1);
    if (last && "sql" in last) {
      parts[parts.length - 1] = { sql: last.sql + sql };
    } else parts.push({ sql });
  };
  const finish = (use: Use) => {
    if (begin > 0) statements.push({ parts, use, line: begin });
    parts = [];
    begin = 0;
  };
  for (const match of script.matchAll(LEXEME)) {
    const [text] = match;
    const { variable, quoted, command } = match.groups ?? {};
    const isComment = /^(--|\/\*)/.test(text);
    if (begin === 0 && /[^\s;]/.test(text) && !isComment) begin = line;
    if (command !== undefined) {
      finish(commandUse(command, line));
    } else if (text === ";") finish("print");
    else if (variable !== undefined) {
      parts.push({
        variable,
        quote: quoted === "'" || quoted === '"' ? quoted : "",
      });
    } else add(text);
    line += text.split("\n").length - 1;
  }
  finish("print");
  return statements;
}

/** The SQL to send. A variable that is not set stays as it is written. */
export function fillIn(
  { parts }: Statement,
  variables: ReadonlyMap<string, string>,
): string {
  return parts.map((part) => {
    if ("sql" in part) return part.sql;
    const { variable, quote } = part;
    const value = variables.get(variable);
    if (value === undefined) return `:${quote}${variable}${quote}`;
    if (quote === "'") return literal(value);
    return quote === '"' ? `"${value.replaceAll('"', '""')}"` : value;
  }).join("");
}

function literal(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes("\\") ? ` E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}
