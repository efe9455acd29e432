import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Destination, OLD_TABLES } from "./destination.ts";
import { functions } from "./functions.ts";
import { namesInPublic } from "./names.ts";
import { concurrent, head, lock } from "./pieces.ts";
import { schemaFiles } from "./schema-files.ts";
import { type Share, sharesOf, texts } from "./shares.ts";
import {
  isAppended,
  LINES,
  otherUnreleased,
  pathOfUnreleased,
  unreleasedMigration,
} from "./unreleased.ts";
import { versionFiles, versionOf } from "./version.ts";

/** A migration that follows from the schema files. */
interface GeneratedMigration {
  /** Relative to the checkout. */
  readonly path: string;
  readonly text: string;
}

/** From here on a migration that begins by hand is generated. */
const MARK =
  "-- From here on written by `npm run migrations`, from supabase/schemas.\n";

/** After this line of the first migration stands what it has to look for, up to an empty line. */
const NAMES =
  "  -- Written by `npm run migrations`, from supabase/schemas, as far as the empty line.\n";

/** All of them, as they have to be: the first set, or from 1.0.0 on what comes after it. */
export function generatedMigrations(
  root: string,
  isFirst = !isAppended(versionOf(root)),
): GeneratedMigration[] {
  if (isFirst) return firstMigrations(root);
  return LINES.map((line) => ({
    path: pathOfUnreleased(root, line),
    text: unreleasedMigration(root, line),
  })).filter(({ text }) => text !== "");
}

/** Migrations of changes that have been taken back, or that are no longer the last. */
export function superfluousMigrations(root: string): string[] {
  const generated = generatedMigrations(root).map(({ path }) => path);
  return LINES.flatMap((line) =>
    otherUnreleased(
      root,
      line,
      generated.find((path) => path.startsWith(line.dir)) ?? "",
    )
  );
}

function firstMigrations(root: string): GeneratedMigration[] {
  const files = schemaFiles(root);
  const shares = sharesOf(files);
  const of = (destination: Destination) => shares.get(destination) ?? [];
  const swap = "20261130000800_swap";
  const august = "20250812000000_august_2025_schema";
  const migrations = {
    [august]: withNames(join(root, pathOf(august)), namesInPublic(files)),
    "20261130000200_schema": head({
      what:
        "schema fairlane_core with its settings, clock, refusals and locks.",
      why:
        "every rule of the queue lives there, out of the Data API's reach; the migrations that follow call its locks.",
      backOut: "drop schema fairlane_core cascade, before any later migration.",
    }) + texts([...of("schema"), ...of("closing")]),
    "20261130000600_indexes_before_swap": concurrent({
      what: "the indexes of the August 2025 tables that need no status.",
      why:
        "built beside the running work, before anything that a worker notices. A run that was cut can be run again.",
      backOut: "drop index concurrently, each by its name.",
    }, [...of("indexes_before_swap"), ONE_PER_TASK]),
    "20261130000700_tables": tables(of("tables"), of("closing")),
    [swap]: begun(join(root, pathOf(swap))) + texts(of("swap")),
    "20261130000900_indexes_after_swap": concurrent({
      what: "the indexes over the status of tasks.",
      why:
        "the status has its place now; built beside the running work. A run that was cut can be run again.",
      backOut: "drop index concurrently, each by its name.",
    }, of("indexes_after_swap")),
    "20261130001000_functions": functions(
      of("functions"),
      of("triggers"),
      [...of("closing"), ...of("rights")],
    ),
    "20261130001200_bucket_and_schedule": head({
      what:
        "the jobs of pg_cron, how long the roles of the API wait for a lock, the bucket of results.",
      why:
        "time alone changes what is due and what is stale; functions and deployed clients keep files.",
      backOut:
        "select cron.unschedule(jobname) from cron.job where jobname like 'fairlane-%'; alter role … reset lock_timeout.",
    }) + texts(of("bucket_and_schedule")),
  };
  return Object.entries(migrations)
    .map(([name, text]) => ({ path: pathOf(name), text }));
}

/** Those that are not so, in words. */
export function staleMigrations(root: string): string[] {
  const stale = [...versionFiles(root), ...generatedMigrations(root)]
    .filter(({ path, text }) => {
      const file = join(root, path);
      return !existsSync(file) || readFileSync(file, "utf8") !== text;
    })
    .map(({ path }) => path);
  return [...stale, ...superfluousMigrations(root)]
    .map((path) => `${path} is out of date: run "npm run migrations"`);
}

/** What a constraint of the table takes over at the swap. */
const ONE_PER_TASK: Share = {
  file: "20261130000800_swap",
  text:
    "create unique index generations_are_one_per_task on public.generations (task_id);",
};

function pathOf(name: string): string {
  return join("supabase", "migrations", `${name}.sql`);
}

/** Those that refer to old ones last: from then on these are held. */
function tables(shares: readonly Share[], closing: readonly Share[]): string {
  const reference = new RegExp(
    `\\breferences (public\\.(?:${OLD_TABLES.join("|")}))\\b`,
    "g",
  );
  const referred = ({ text }: Share) =>
    [...text.matchAll(reference)].map(([, name = ""]) => name);
  const names = shares.filter((share) => referred(share).length > 0)
    .flatMap(({ text }) => /\bcreate table (\S+)/.exec(text)?.[1] ?? []);
  const isLate = ({ text }: Share) =>
    names.some((name) => new RegExp(`${name}\\b`).test(text));
  const late = shares.filter(isLate);
  return head({
    what:
      "types of task, history, dependencies, the derived state of owners, and the rows that ship with them.",
    why:
      "a claim and a count must cost the same at a thousand and at a million tasks.",
    backOut:
      "drop these tables and types; nothing is kept in them that cannot be derived again, except history and types.",
  }) +
    texts(shares.filter((share) => !isLate(share))) +
    lock(late.flatMap(referred)) +
    texts([...late, ...closing]);
}

/** A file that is written by hand but for the names. */
function withNames(path: string, names: string): string {
  const [before = "", after = ""] = readFileSync(path, "utf8").split(NAMES);
  const end = after.indexOf("\n\n");
  if (end < 0) throw new Error(`${path} lacks the line:\n${NAMES}`);
  return `${before}${NAMES}${names}${after.slice(end + 1)}`;
}

/** The part that is written by hand, with the line that ends it. */
function begun(path: string): string {
  const text = readFileSync(path, "utf8");
  const end = text.indexOf(MARK);
  if (end < 0) throw new Error(`${path} lacks the line:\n${MARK}`);
  return text.slice(0, end + MARK.length);
}
