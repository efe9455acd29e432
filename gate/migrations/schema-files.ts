import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fillIn, parseScript } from "../tap/script.ts";
import { asFleet, isOfTheFleet, type Profile } from "./profiles.ts";
import { signatures } from "./signatures.ts";

/** A file of supabase/schemas. */
export interface SchemaFile {
  /** With its folder: `40_claim/start.sql`. */
  readonly name: string;
  readonly text: string;
}

/** Those of a profile, in its names and in load order: folder by folder, by name. */
export function schemaFiles(
  root: string,
  profile: Profile = "fleet",
): SchemaFile[] {
  const dir = join(root, "supabase", "schemas");
  const files = readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".sql"))
    .filter((name) => profile === "fleet" || !isOfTheFleet(name))
    .sort()
    .map((name) => {
      const text = readFileSync(join(dir, name), "utf8");
      return { name, text: profile === "fleet" ? asFleet(text) : text };
    });
  return profile === "fleet" ? withSignatures(files) : files;
}

/** In public an app may have functions of the same name: rights are given to ours by signature. */
function withSignatures(files: readonly SchemaFile[]): SchemaFile[] {
  const known = signatures(files);
  return files.map(({ name, text }) => ({
    name,
    text: name.startsWith("91_grants/")
      ? text.replaceAll(
        /\bpublic\.(\w+)/g,
        (_, one: string) => `public.${known.get(one) ?? one}`,
      )
      : text,
  }));
}

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
    return { text, code: text.replace(/^(?:\s+|--[^\n]*\n)+/, "") };
  });
}
