import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A file of supabase/schemas. */
export interface SchemaFile {
  /** With its folder: `40_claim/start.sql`. */
  readonly name: string;
  readonly text: string;
}

/** All of them, in load order: folder by folder, by name. */
export function schemaFiles(root: string): SchemaFile[] {
  const dir = join(root, "supabase", "schemas");
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".sql"))
    .sort()
    .map((name) => ({ name, text: readFileSync(join(dir, name), "utf8") }));
}
