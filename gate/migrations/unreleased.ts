import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { guestMigration } from "./guest.ts";
import { head, lock } from "./pieces.ts";
import {
  schemaFiles,
  type SchemaStatement,
  schemaStatements,
} from "./schema-files.ts";
import { terseStatement } from "./shares.ts";

/** Once version 1.0.0 is out, what has run anywhere stays as it was. */
export function isAppended(version: string): boolean {
  return !version.startsWith("0.");
}

/** Files that are only added to from 1.0.0 on, in the order of the numbers that they begin with. */
export interface Line {
  readonly dir: string;
  /** All of the database as the schema files are now. */
  present(root: string): string[];
  /** The name of a file of the queue, without the end that a release gives to it. */
  readonly begins: RegExp;
  /** The number after this one, for a file that is written now. */
  next(last: number, now: Date): string;
}

/** What `supabase db push` applies here; that of August 2025 is not the queue's. */
export const OF_THE_FLEET: Line = {
  dir: join("supabase", "migrations"),
  present: (root) => schemaFiles(root).map(({ text }) => text),
  begins: /^(?!2025)\d{14}_/,
  next(last, now) {
    const time = Number(now.toISOString().replaceAll(/\D/g, "").slice(0, 14));
    return `${Math.max(time, last + 1)}`;
  },
};

/** What the package carries, and `fairlane init` and `upgrade` write. */
export const OF_GUESTS: Line = {
  dir: join("cli", "assets", "migrations"),
  present: (root) => [guestMigration(root)],
  begins: /^\d{4}_/,
  next: (last) => `${last + 1}`.padStart(4, "0"),
};

export const LINES = [OF_THE_FLEET, OF_GUESTS] as const;

/** `npm run release` gives it the version as its name. */
const UNRELEASED = /^\d+_unreleased\.sql$/;

/**
 * What the schema files say of functions, views, triggers, policies and rights,
 * and no migration does yet; "" if nothing. Tables and indexes change by hand,
 * as their rows decide how (CONTRIBUTING.md, "Migrations").
 */
export function unreleasedMigration(root: string, line: Line): string {
  const was = released(root, line);
  const is = new Map<string, Named>();
  for (const text of line.present(root)) {
    for (const statement of schemaStatements(text)) {
      const named = nameOf(statement);
      if (named !== null) is.set(named.name, named);
    }
  }
  const different = [...is.values()]
    .filter(({ name, text }) => was.get(name)?.text !== text);
  const replaced = different
    .filter((one) => isReplaced(one, was.get(one.name)));
  const lost = new Set(replaced.map(({ name }) => `comment on ${name}`));
  const changed = [...is.values()]
    .filter((one) => different.includes(one) || lost.has(one.name));
  const rights = [...is.values()].filter(({ name }) => RIGHT.test(name))
    .map(({ text }) => text);
  const gone = [...was.values()].filter(({ name }) =>
    !is.has(name) && !name.startsWith("revoke") &&
    // What is dropped takes its comment with it.
    (!name.startsWith("comment") || is.has(name.replace("comment on ", "")))
  );
  if (changed.length + gone.length === 0) return "";
  const drops = [...gone, ...replaced].reverse()
    .filter(({ name }) => !RIGHT.test(name))
    .map(({ drop }) => `${drop};\n`).join("");
  return head({
    what: "functions, views, triggers, policies and rights that have changed.",
    why: "CHANGELOG.md says so for this version.",
    backOut: "those of the version before, from its supabase/schemas.",
  }) +
    locked([...changed, ...gone]) +
    (drops && `\n${drops}`) +
    changed.filter(({ name }) => !RIGHT.test(name))
      .map(({ text }) => `\n${asReplacement(text)}\n`).join("") +
    // All of them: what is taken back is taken back of everything.
    `\n${rights.join("\n")}\n\nnotify pgrst, 'reload schema';\n`;
}

/** A trigger or a policy is made under a lock of its table. */
function locked(all: readonly Named[]): string {
  const tables = all.flatMap(({ name }) =>
    / on ([\w.]+)$/.exec(name.replace(/^comment.*/, ""))?.[1] ?? []
  );
  return tables.length > 0 ? lock(tables) : "";
}

/** Where it is, or will be: after all others. */
export function pathOfUnreleased(root: string, line: Line): string {
  const last = filesOf(root, line).at(-1) ?? "";
  return UNRELEASED.test(last)
    ? join(line.dir, last)
    : nextPath(root, line, "unreleased", new Date());
}

/** A place after all others, and not before now. */
export function nextPath(
  root: string,
  line: Line,
  name: string,
  now: Date,
): string {
  const last = filesOf(root, line).filter((one) => !UNRELEASED.test(one))
    .at(-1) ?? "0";
  return join(line.dir, `${line.next(parseInt(last), now)}_${name}.sql`);
}

/** Those that are to go when one is at this path. */
export function otherUnreleased(
  root: string,
  line: Line,
  path: string,
): string[] {
  return filesOf(root, line).filter((name) => UNRELEASED.test(name))
    .map((name) => join(line.dir, name))
    .filter((one) => one !== path);
}

/** The names of those of the queue, in order. */
export function filesOf(root: string, { dir, begins }: Line): string[] {
  return readdirSync(join(root, dir)).sort()
    .filter((name) => name.endsWith(".sql") && begins.test(name));
}

/** Something that is made anew when it changes. */
interface Named {
  /** Its kind and name, as a statement that drops it wants them. */
  readonly name: string;
  readonly text: string;
  readonly drop: string;
}

/** What the migrations that have been released leave behind. */
function released(root: string, line: Line): ReadonlyMap<string, Named> {
  const found = new Map<string, Named>();
  const names = filesOf(root, line).filter((name) => !UNRELEASED.test(name));
  for (const name of names) {
    const text = readFileSync(join(root, line.dir, name), "utf8");
    // Who grants, grants all there is.
    if (/^grant\b/m.test(text)) {
      for (const key of found.keys()) {
        if (key.startsWith("grant")) found.delete(key);
      }
    }
    for (const statement of schemaStatements(text)) {
      const named = nameOf(statement);
      if (named !== null) found.set(named.name, named);
      const [, dropped] =
        /^drop ((?:function|view|trigger|policy) (?:if exists )?[^;(]+)/
          .exec(statement.code) ?? [];
      if (dropped !== undefined) {
        found.delete(dropped.replace("if exists ", "").trim());
      }
    }
  }
  return found;
}

const NAMED = [
  /^create (?:or replace )?(function [\w.]+)/,
  /^create (?:or replace )?(view [\w.]+)/,
  /^create (?:or replace )?(trigger \w+)\s[^;]*?\b(on [\w.]+)/,
  /^create (policy \w+) (on [\w.]+)/,
  /^(comment on (?:function|view) [\w.]+)/,
  /^((?:grant|revoke)\b[\s\S]*)/,
];

/** What grants or takes back a right is its own name. */
const RIGHT = /^(?:grant|revoke)\b/;

function nameOf(statement: SchemaStatement): Named | null {
  for (const form of NAMED) {
    const found = form.exec(statement.code);
    if (found === null) continue;
    const name = found.slice(1).join(" ");
    return {
      name,
      text: terseStatement(statement.text).trim()
        .replace(/^create or replace /, "create "),
      drop: name.startsWith("comment") ? `${name} is null` : `drop ${name}`,
    };
  }
  return null;
}

/** Whether a name that stays has to go first: Postgres replaces no other signature, view or policy. */
function isReplaced(is: Named, was: Named | undefined): boolean {
  if (was === undefined || /^(?:comment|trigger)/.test(is.name)) return false;
  const signature = ({ text }: Named) => text.split(" language ", 1)[0];
  return !is.name.startsWith("function") || signature(is) !== signature(was);
}

function asReplacement(text: string): string {
  return text.replace(/^create (?=function|trigger)/, "create or replace ");
}
