import { schemaFiles } from "./schema-files.ts";

/** All of a guest's database in one migration: closed until its last line, and nothing outside of its two schemas. */
export function guestMigration(root: string): string {
  const files = schemaFiles(root, "guest").map(({ text }) => text.trim());
  return `-- Fairlane: a task queue, in the schemas fairlane (what callers see) and fairlane_core (its rules). Nothing else is touched.

create schema fairlane;

${files.join("\n\n")}

grant usage on schema fairlane to anon, authenticated, service_role;
notify pgrst, 'reload schema';
`;
}
