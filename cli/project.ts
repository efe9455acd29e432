import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A file of `supabase/migrations`. */
export interface Migration {
  /** `20261201120000_add_profiles.sql`. */
  readonly file: string;
  /** The time in its name: 14 digits, `YYYYMMDDHHMMSS`. */
  readonly stamp: string;
  /** What follows: `add_profiles`. */
  readonly name: string;
}

/** A folder in which the Supabase CLI is used, as it is now. */
export interface Project {
  /** The folder that holds `supabase/`. */
  readonly root: string;
  /** In the order in which the CLI applies them. */
  readonly migrations: readonly Migration[];
  /** The text of `supabase/config.toml`; undefined where there is none. */
  readonly config: string | undefined;
  /** Folders of `supabase/functions`. */
  readonly functions: readonly string[];
}

/** Where things stand, relative to the root. */
export const PLACES = {
  config: join("supabase", "config.toml"),
  migrations: join("supabase", "migrations"),
  functions: join("supabase", "functions"),
  /** The one function of the queue. */
  function: join("supabase", "functions", "fairlane"),
  /** An example worker, which belongs to the user once it is written. */
  worker: "fairlane-worker",
} as const;

/** Reads a project; one without `supabase/` is an empty one. */
export function readProject(root: string): Project {
  return {
    root,
    migrations: namesIn(join(root, PLACES.migrations))
      .flatMap((file) => migrationOf(file) ?? [])
      .toSorted((a, b) => a.file < b.file ? -1 : 1),
    config: textOf(root, PLACES.config),
    functions: namesIn(join(root, PLACES.functions)),
  };
}

/** The text of one of its files; undefined where there is none. */
export function textOf(root: string, path: string): string | undefined {
  const whole = join(root, path);
  return existsSync(whole) ? readFileSync(whole, "utf8") : undefined;
}

/** What a migration's file name says; undefined for what the CLI passes over. */
function migrationOf(file: string): Migration | undefined {
  const [, stamp, name] = /^(\d+)_(.*)\.sql$/.exec(file) ?? [];
  return stamp === undefined || name === undefined
    ? undefined
    : { file, stamp, name };
}

function namesIn(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir) : [];
}
