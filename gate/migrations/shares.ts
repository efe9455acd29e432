import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Destination, destination } from "./destination.ts";
import { schemaStatements } from "./statements.ts";

/** What one schema file gives to one migration. */
export interface Share {
  readonly file: string;
  /** Its statements, in their order, as they stand there. */
  readonly text: string;
}

/** What each destination is given, in the order of the files. */
export type Shares = ReadonlyMap<Destination, readonly Share[]>;

/** Every statement of every file, once. */
export function sharesOf(dir: string): Shares {
  const shares = new Map<Destination, Share[]>();
  const files = readdirSync(dir).filter((name) => name.endsWith(".sql")).sort();
  for (const file of files) {
    const statements = schemaStatements(readFileSync(join(dir, file), "utf8"));
    for (const statement of statements) {
      const list = shares.get(destination(file, statement)) ?? [];
      const last = list.at(-1);
      if (last?.file === file) {
        list[list.length - 1] = { file, text: last.text + statement.text };
      } else list.push({ file, text: statement.text });
      shares.set(destination(file, statement), list);
    }
  }
  return shares;
}

/** File after file, each set apart. */
export function texts(shares: readonly Share[]): string {
  return shares.map(({ text }) => `\n${text.trim()}\n`).join("");
}
