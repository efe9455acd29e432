import { schemaFiles } from "./schema-files.ts";

/** The guest profile: the same SQL in schemas of its own, beside what the project has. */

/** What only the fleet gets: its own folder, its rights, and what is set up beside the schemas. */
const NOT_FOR_GUESTS =
  /^(?:85_fleet\/|91_grants\/rights_of_the_fleet\.sql$|95_jobs\/)/;

/** Whether guests do without this schema file. */
export function isOfTheFleet(name: string): boolean {
  return NOT_FOR_GUESTS.test(name);
}

/** Names of the fleet and of guests, in the order in which they are replaced. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/\bpublic\.users\b/g, "fairlane.owners"],
  [/\('users', '/g, "('owners', '"],
  [/\{users,projects/g, "{owners,projects"],
  [/\bpublic\.(?=[a-z_%"])/g, "fairlane."],
  [/'public'(?=::regnamespace)/g, "'fairlane'"],
  [/(?<=nspname = )'public'/g, "'fairlane'"],
  [/(?<=schema(?:name)? = )'public'/g, "'fairlane'"],
  [/\bqueue\.(?=[a-z_%"])/g, "fairlane_core."],
  [/'queue'(?=::regnamespace)/g, "'fairlane_core'"],
  [/(?<=nspname = )'queue'/g, "'fairlane_core'"],
  [/(?<=\bschema )queue\b/g, "fairlane_core"],
  [/'queue-/g, "'fairlane-"],
  [/queue-(?=rescue\.)/g, "fairlane-"],
  [/'public', 'queue'/g, "'fairlane', 'fairlane_core'"],
  [/(?<=_privilege\('\w+', )'queue'/g, "'fairlane_core'"],
  [/queue(?=\\\.)/g, "fairlane_core"],
];

/** SQL that is written with the fleet's names, for guests. */
export function asGuest(sql: string): string {
  return NAMES.reduce((text, [name, own]) => text.replace(name, own), sql);
}

/** All of the guest's database in one migration: closed until its last line, and nothing outside of its schemas. */
export function guestMigration(root: string): string {
  const files = schemaFiles(root)
    .filter(({ name }) => !isOfTheFleet(name))
    .map(({ text }) => asGuest(text).trim());
  return `-- Fairlane: a task queue, in the schemas fairlane (what callers see) and fairlane_core (its rules). Nothing else is touched.

create schema fairlane;

${files.join("\n\n")}

grant usage on schema fairlane to anon, authenticated, service_role;
notify pgrst, 'reload schema';
`;
}
