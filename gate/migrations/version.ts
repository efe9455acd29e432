import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const Package = z.object({ version: z.string().regex(/^\d+\.\d+\.\d+$/) });

/** That of package.json, its one source. */
export function versionOf(root: string): string {
  const text = readFileSync(join(root, "package.json"), "utf8");
  return Package.parse(JSON.parse(text)).version;
}

/** The files that know the version. */
export function versionFiles(root: string): { path: string; text: string }[] {
  const version = versionOf(root);
  return [{
    path: join("supabase", "schemas", "80_reads", "version.sql"),
    text: `-- Which version of the queue this database has.

-- The version of package.json, as \`npm run migrations\` writes it here. Functions of a younger version refuse to work
-- with this schema (shared/version.ts).
create function fairlane_core.version()
returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  select '${version}';
$$;
`,
  }, {
    path: join("shared", "version.ts"),
    text:
      `/** The version of this code, from package.json by \`npm run migrations\`. */
export const VERSION: string = "${version}";

/** Whether a database of version \`schema\` lacks what this code may call. */
export function isOlderThan(schema: string, version = VERSION): boolean {
  const parts = (text: string) => text.split(".").map(Number);
  const [wanted, found] = [parts(version), parts(schema)];
  const at = wanted.findIndex((part, i) => part !== found[i]);
  return (found[at] ?? 0) < (wanted[at] ?? 0);
}
`,
  }];
}
