import type { SchemaStatement } from "./statements.ts";

/** Where a statement of a schema file goes; null: another file of the upgrade says it in its own way. */
export type Destination =
  | "schema"
  | "indexes_before_swap"
  | "tables"
  | "swap"
  | "indexes_after_swap"
  | "functions"
  | "triggers"
  | "rights"
  | "bucket_and_schedule"
  | null;

/** The tables that there were in August 2025: old databases have rows in them. */
export const OLD_TABLES = [
  "users",
  "projects",
  "tasks",
  "workers",
  "generations",
  "system_logs",
  "user_api_tokens",
];

const OF_AN_OLD_TABLE = new RegExp(
  `^\\d{4}_table_(?:${OLD_TABLES.join("|")})\\.sql$`,
);

/** What the migrations themselves call, and what that needs. */
const FIRST = /^00(?:00|1[0-6])_/;

/** Before the swap the status may still be of another type. */
const USES_STATUS = /\bstatus\b/;

/** What users get at is opened when the rules are there, and not before. */
const OPENS =
  /^(?:grant usage on schema|(?:grant\b[^;]*|create policy \w+) on (?:table )?public\.\w+)/;

/** Old tables stay as open as they were until then; new ones are closed when they are made. */
const CLOSES =
  /^(?:revoke\b|grant\b|alter table \S+ enable row level security)/;

/** By the name of the file, and what the statement begins with. */
export function destination(
  file: string,
  { code }: SchemaStatement,
): Destination {
  if (OPENS.test(code) && !/_view_/.test(file)) return "rights";
  if (FIRST.test(file)) return "schema";
  if (/^050[0-2]_/.test(file)) return "bucket_and_schedule";
  if (/^create trigger\b/.test(code)) return "triggers";
  if (/^\d{4}_(?:function|view)_/.test(file)) return "functions";
  if (!OF_AN_OLD_TABLE.test(file)) return "tables";
  if (/^create table\b/.test(code)) return null;
  if (/^create (?:unique )?index\b/.test(code)) {
    return USES_STATUS.test(code)
      ? "indexes_after_swap"
      : "indexes_before_swap";
  }
  return CLOSES.test(code) ? "rights" : "swap";
}
