import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
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

/** `npm run release` gives it the version as its name. */
const UNRELEASED = /^\d{14}_unreleased\.sql$/;

const DIR = join("supabase", "migrations");

/** Of the database of August 2025, which is not the queue's. */
const BEFORE_THE_QUEUE = /^2025/;

/**
 * What the schema files say of functions, views, triggers, policies and rights,
 * and no migration does yet; "" if nothing. Tables and indexes change by hand,
 * as their rows decide how (CONTRIBUTING.md, "Migrations").
 */
export function unreleasedMigration(root: string): string {
  const was = released(root);
  const is = new Map<string, Named>();
  for (const { text } of schemaFiles(root)) {
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
export function pathOfUnreleased(root: string): string {
  const last = readdirSync(join(root, DIR)).sort().at(-1) ?? "";
  return UNRELEASED.test(last)
    ? join(DIR, last)
    : nextPath(root, "unreleased", new Date());
}

/** A place after all others, and not before now. */
export function nextPath(root: string, name: string, now: Date): string {
  const others = readdirSync(join(root, DIR)).sort()
    .filter((one) => !UNRELEASED.test(one));
  const last = Number(others.at(-1)?.slice(0, 14));
  const time = Number(now.toISOString().replaceAll(/\D/g, "").slice(0, 14));
  return join(DIR, `${Math.max(time, last + 1)}_${name}.sql`);
}

/** Those that are to go when one is at this path. */
export function otherUnreleased(root: string, path: string): string[] {
  return readdirSync(join(root, DIR))
    .filter((name) => UNRELEASED.test(name))
    .map((name) => join(DIR, name))
    .filter((one) => one !== path);
}

/** Something that is made anew when it changes. */
interface Named {
  /** Its kind and name, as a statement that drops it wants them. */
  readonly name: string;
  readonly text: string;
  readonly drop: string;
}

/** What the migrations that have been released leave behind. */
function released(root: string): ReadonlyMap<string, Named> {
  const dir = join(root, DIR);
  const found = new Map<string, Named>();
  const names = readdirSync(dir).sort().filter((name) =>
    name.endsWith(".sql") && !UNRELEASED.test(name) &&
    !BEFORE_THE_QUEUE.test(name)
  );
  for (const name of names) {
    const text = readFileSync(join(dir, name), "utf8");
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
