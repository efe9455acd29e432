import { fillIn, parseScript } from "../tap/script.ts";

/** A statement of a schema file. */
export interface SchemaStatement {
  /** As it stands there, with the comment before it and the space before that. */
  readonly text: string;
  /** The same without them. */
  readonly code: string;
}

/** The statements of a file; put together again they are the file. */
export function schemaStatements(file: string): SchemaStatement[] {
  return parseScript(file).map((statement) => {
    const text = `${fillIn(statement, new Map())};`;
    return { text, code: withoutComment(text) };
  });
}

function withoutComment(text: string): string {
  return text.replace(/^(?:\s+|--[^\n]*\n)+/, "");
}
