import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { generatedMigrations } from "./generated.ts";

/** The migrations that are not what the schema files say, in words. */
export function staleMigrations(root: string): string[] {
  return generatedMigrations(root)
    .filter(({ path, text }) => {
      const file = join(root, path);
      return !existsSync(file) || readFileSync(file, "utf8") !== text;
    })
    .map(({ path }) => `${path} is out of date: run "npm run migrations"`);
}
