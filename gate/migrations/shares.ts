import { type Destination, destination } from "./destination.ts";
import { type SchemaFile, schemaStatements } from "./schema-files.ts";

/** A statement of a schema file, as one migration gets it. */
export interface Share {
  readonly file: string;
  /** As it stands there, with the comment before it and the space before that. */
  readonly text: string;
}

/** What each destination is given, in the order of the files. */
type Shares = ReadonlyMap<Destination, readonly Share[]>;

/** Every statement of every file, once. */
export function sharesOf(files: readonly SchemaFile[]): Shares {
  const shares = new Map<Destination, Share[]>();
  for (const { name, text } of files) {
    for (const statement of schemaStatements(text)) {
      const place = destination(name, statement);
      const list = shares.get(place) ?? [];
      list.push({ file: name, text: statement.text });
      shares.set(place, list);
    }
  }
  return shares;
}

/** File after file, each set apart; within one as it stands there. */
export function texts(shares: readonly Share[]): string {
  return shares.map(({ file, text }, index) => {
    const isFirst = shares[index - 1]?.file !== file;
    const isLast = shares[index + 1]?.file !== file;
    return `${isFirst ? `\n${text.trim()}` : text}${isLast ? "\n" : ""}`;
  }).join("");
}

/**
 * The same for Postgres alone: without the comments, which stand in the schema
 * files, and with what is said of a function before its body on one line.
 */
export function terse(shares: readonly Share[]): string {
  return shares.map(({ text }) => `\n${terseStatement(text)}\n`).join("");
}

/** One of them. */
export function terseStatement(text: string): string {
  const [head = "", ...body] = text.replace(/^(?:\s+|--[^\n]*\n)+/, "")
    .split(/(?<=\nas \$\$)/);
  const attributes = /\nlanguage \w+\n(?:[a-z][^\n]*\n)*as \$\$$/;
  return head.replace(
    attributes,
    (lines) => lines.replace(/ -- [^\n]*/g, "").replaceAll("\n", " "),
  ) + body.join("");
}
