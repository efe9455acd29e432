import type { SchemaStatement } from "./schema-files.ts";

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
  // Taken back wherever something is made: at the end of schema, tables and functions.
  | "closing"
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

/** Those that are new beside them: closed when they are made. */
export const NEW_TABLES = ["task_types", "task_events"];

/** Before the swap the status may still be of another type. */
const USES_STATUS = /\bstatus\b/;

/** By the folder of the file, and what the statement is about. */
export function destination(
  file: string,
  { code }: SchemaStatement,
): Destination {
  const [folder] = file.split("/");
  if (folder === "91_grants") return ofRights(code);
  if (folder === "00_base") return "schema";
  if (folder === "95_jobs") return "bucket_and_schedule";
  if (/^create trigger\b/.test(code)) return "triggers";
  if (/^(?:create(?: or replace)?|comment on) (?:function|view)\b/.test(code)) {
    return "functions";
  }
  if (!isAbout(OLD_TABLES, code)) return "tables";
  if (/^create table\b/.test(code)) return null;
  if (/^create (?:unique )?index\b/.test(code)) {
    return USES_STATUS.test(code)
      ? "indexes_after_swap"
      : "indexes_before_swap";
  }
  // Old tables stay as open as they were until then.
  return /\benable row level security\b/.test(code) ? "rights" : "swap";
}

/** What users get at is opened when the rules are there, and not before. */
function ofRights(code: string): Destination {
  if (!/^revoke\b/.test(code)) return "rights";
  if (/\bschema fairlane_core\b/.test(code)) return "closing";
  return isAbout(NEW_TABLES, code) ? "tables" : "rights";
}

/** Whether the first object that it names is one of these tables of public, or a sequence of it. */
function isAbout(tables: readonly string[], code: string): boolean {
  const [, schema, name = ""] = /\b(public|fairlane_core)\.(\w+)/.exec(code) ??
    [];
  return schema === "public" && tables.includes(name.replace(/_id_seq$/, ""));
}
