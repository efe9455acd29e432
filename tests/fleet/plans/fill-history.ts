import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { env } from "node:process";
import postgres from "postgres";
import { withoutIndexes } from "../../../bench/world/drop-indexes.ts";
import { stack } from "../../support/stack.ts";

/** How many tasks there are; a million is for those who have the minutes. */
export const TASKS = Number(env["HISTORY_TASKS"] ?? 200_000);

const SCRIPT = readFileSync(new URL("history.sql", import.meta.url), "utf8");

/** Fills an empty queue with two months of work, as `history.sql` tells it. */
export async function fillHistory(): Promise<void> {
  // Only a superuser switches off the triggers of foreign keys.
  const sql = postgres(stack().adminDbUrl, { max: 1, onnotice: () => {} });
  try {
    await sql.begin(async (tx) => {
      await tx`select set_config('history.tasks', ${TASKS}, true)`;
      await tx.unsafe("set local maintenance_work_mem = '256MB'");
      await tx.unsafe("alter table public.tasks disable trigger all");
      await withoutIndexes(tx, "public.tasks", async () => {
        await tx.unsafe(SCRIPT);
      });
      await tx.unsafe("alter table public.tasks enable trigger all");
    });
    await sql.unsafe("vacuum (analyze)");
  } finally {
    await sql.end();
  }
}

/** The id that `history.sql` gives to task number `i`. */
export function taskId(i: number): string {
  return uuidOf(`task ${i}`);
}

/** One of the projects, and the id of its owner. */
export const PROJECT = uuidOf("owner 7");

/** The id of a GPU worker; those from 1990 on hold tasks. */
export function workerId(n: number): string {
  return `gpu-20260111_120000-${String(n).padStart(8, "0")}`;
}

/** The first task of the live part: an orchestrator In Progress, with its family. */
export const LIVE = TASKS * 0.99;

/** An orchestrator that ended a month ago. */
export const ENDED = TASKS / 2;

function uuidOf(text: string): string {
  const hex = createHash("md5").update(text).digest("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
