import { claimOfMarch } from "./claims.ts";
import type { Answer, Row, Wire } from "./wire.ts";

/** What a claim told a worker of 21 January or later. */
export interface Claimed {
  readonly task_id: string;
  /** Failures so far; absent counts as none. */
  readonly attempts?: number;
}

/** How those workers name what went wrong. */
export type Category =
  | "generation_no_output"
  | "edge_function_transient"
  | "network_transient";

/** `update-task-status` for another try: five keys, always all. */
export function retryBody(
  { task_id, attempts = 0 }: Claimed,
  category: Category,
  error: string,
): Readonly<Record<string, unknown>> {
  return {
    task_id,
    status: "Queued",
    attempts: attempts + 1,
    error_details: `Retry ${attempts + 1} (${category}): ${
      error.slice(0, 500)
    }`,
    clear_worker: true,
  };
}

/** The claim of a worker of 21 January to 29 March. */
export async function claimOf(
  wire: Wire,
  worker_id: string,
): Promise<Claimed | null> {
  const answer = await claimOfMarch(wire, worker_id);
  return answer.status === 200 ? answer.json as Claimed : null;
}

/** Asks for another try; three times with the same body. */
export function askForRetry(
  wire: Wire,
  body: Readonly<Record<string, unknown>>,
): Promise<Answer | null> {
  return wire.edgeWithRetry("update-task-status", body);
}

/** What workers until 29 March do when that was in vain. */
export function patchForRetry(
  wire: Wire,
  body: Readonly<Record<string, unknown>>,
): Promise<Row[]> {
  return wire.rows("PATCH", "tasks", { id: `eq.${body["task_id"]}` }, {
    status: "Queued",
    worker_id: null,
    attempts: body["attempts"],
    error_details: body["error_details"],
    generation_started_at: null,
  });
}
