import { ClaimedTask } from "../../shared/claim.ts";
import type { Connection } from "./db.ts";

/** The caller that functions name for a service key. */
export const SERVICE = { kind: "service" };

/** Arguments of a database function by name. */
export type Arguments = Readonly<Record<string, unknown>>;

/**
 * Calls one of the queue's functions as the Data API does: arguments by name,
 * absent ones take their default. The reply is JSON text, byte for byte.
 */
export async function rpc(
  sql: Connection,
  name: string,
  args: Arguments,
): Promise<string> {
  const named = Object.entries({ p_caller: SERVICE, ...args })
    .filter(([, value]) => value !== undefined);
  const list = named.map(([key], index) => {
    const type = JSON_ARGUMENTS.has(key) ? "::text::jsonb" : CASTS[key] ?? "";
    return `${key} => $${index + 1}${type}`;
  });
  const values = named.map(([key, value]) =>
    JSON_ARGUMENTS.has(key) ? JSON.stringify(value) : String(value)
  );
  const [row] = await sql.unsafe<{ reply: string | null }[]>(
    `select public.${name}(${list.join(", ")})::text as reply`,
    values,
  );
  return row?.reply ?? "null";
}

const JSON_ARGUMENTS = new Set([
  "p_caller",
  "p_filter",
  "p_result_data",
  "p_task",
  "p_tasks",
]);

const CASTS: Readonly<Record<string, string>> = {
  p_limit: "::text::integer",
  p_task_id: "::text::uuid",
  p_lease_token: "::text::uuid",
  p_same_model_only: "::text::boolean",
  p_max_task_wait_minutes: "::text::numeric",
  p_dry_run: "::text::boolean",
  p_include_active: "::text::boolean",
  p_reset_generation_started_at: "::text::boolean",
};

/** Claims the next task for a worker; null when there is none. */
export async function claim(
  sql: Connection,
  workerId: string,
  args: Arguments = {},
): Promise<ClaimedTask | null> {
  const reply = await rpc(sql, "claim_next_task", {
    p_worker_id: workerId,
    ...args,
  });
  return ClaimedTask.nullable().parse(JSON.parse(reply));
}

/** Completes a task; the reply as it came. */
export function complete(
  sql: Connection,
  taskId: string,
  args: Arguments = {},
): Promise<string> {
  return rpc(sql, "complete_task", {
    p_task_id: taskId,
    p_output_location: `https://files.test/${taskId}.mp4`,
    ...args,
  });
}

/** Reports on a task, as a worker does other than by completing it. */
export function report(
  sql: Connection,
  taskId: string,
  status: string,
  args: Arguments = {},
): Promise<string> {
  return rpc(sql, "update_task_status", {
    p_task_id: taskId,
    p_status: status,
    ...args,
  });
}

/** The reset that deployed orchestrators send: ids read earlier, no guard. */
export async function patchReset(
  sql: Connection,
  taskIds: readonly string[],
): Promise<string[]> {
  // It locks in the order of its plan. In that of the ids nobody deadlocks with it; in another Postgres may have to end
  // one of two, which is an answer (docs/architecture.md, "Lock order"), but not one that a test can wait for.
  await sql`
    select set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false)
  `;
  const rows = await sql<{ id: string }[]>`
    update public.tasks
    set
      status = 'Queued',
      worker_id = null,
      generation_started_at = null,
      generation_processed_at = null,
      error_message = 'Reset - orphaned from failed worker'
    where id = any (${[...taskIds]}::uuid[])
    returning id
  `;
  return rows.map((row) => row.id);
}
