/**
 * Who a database is for: `fleet`, whose clients know the tables and functions
 * in `public`, and `guest`, a project that has things of its own there.
 */
export type Profile = "fleet" | "guest";

/** The sources are written with the names of guests; the fleet's, in the order in which they replace them. */
const NAMES_OF_THE_FLEET: readonly (readonly [RegExp, string])[] = [
  [/\bfairlane\.owners\b/g, "public.users"],
  [/\('owners', '/g, "('users', '"],
  [/\bfairlane\.(?=[a-z_%"])/g, "public."],
  [/'fairlane'(?=::regnamespace)/g, "'public'"],
  [/(?<=\b(?:nspname|schema|schemaname) = )'fairlane'/g, "'public'"],
];

const NAMES_OF_GUESTS: readonly (readonly [RegExp, string])[] = [
  [/\bpublic\.users\b/g, "fairlane.owners"],
  [/\('users', '/g, "('owners', '"],
  [/\{users,projects/g, "{owners,projects"],
  [/\bpublic\.(?=[a-z_%"$])/g, "fairlane."],
  [/\bin schema public\b/g, "in schema fairlane"],
  [/'public'(?=::regnamespace)/g, "'fairlane'"],
  [/(?<=\b(?:nspname|schema|schemaname) = )'public'/g, "'fairlane'"],
  [/'public'(?=, 'fairlane_core')/g, "'fairlane'"],
];

/** What only the fleet gets: its own folder, its rights, and what is set up beside the schemas. */
const OF_THE_FLEET =
  /^(?:85_fleet\/|91_grants\/rights_of_the_fleet\.sql$|95_jobs\/)/;

/** Whether guests do without this schema file. */
export function isOfTheFleet(name: string): boolean {
  return OF_THE_FLEET.test(name);
}

/** A schema file with the names that clients of the fleet know. */
export function asFleet(sql: string): string {
  return renamed(sql, NAMES_OF_THE_FLEET);
}

/** SQL that was written for the fleet, for guests: tests are. */
export function asGuest(sql: string): string {
  return renamed(sql, NAMES_OF_GUESTS);
}

function renamed(sql: string, names: typeof NAMES_OF_GUESTS): string {
  return names.reduce((text, [name, other]) => text.replace(name, other), sql);
}
