import { RESET } from "../../support/resets.ts";
import type { Row, Wire } from "./wire.ts";

/**
 * The four resets of a cycle: contract 4.2. Read first, then PATCH by id; each
 * goes on when another could not.
 */
export async function resetLostTasks(
  wire: Wire,
  failedWorkers: readonly string[],
  now: Date,
): Promise<void> {
  const before = (minutes: number) =>
    `lt.${new Date(now.getTime() - minutes * 60_000).toISOString()}`;
  const running = { status: "eq.In Progress", attempts: "lt.3" };

  if (failedWorkers.length > 0) {
    const tasks = await read(wire, {
      select: "id,task_type",
      worker_id: `in.(${failedWorkers.join(",")})`,
      ...running,
    });
    await reset(wire, tasks, "Reset - orphaned from failed worker");
  }
  const unassigned = await read(wire, {
    select: "id,task_type",
    status: "eq.In Progress",
    worker_id: "is.null",
    generation_started_at: before(15),
  });
  const message = "Reset - stuck in progress with no worker assigned";
  await reset(wire, withoutOrchestrators(unassigned), message);

  const ofApi = await read(wire, {
    select: "id,task_type,worker_id,attempts",
    worker_id: "like.api-worker-%",
    generation_started_at: before(7),
    ...running,
  });
  for (const task of ofApi) {
    const attempts = Number(task["attempts"]) + 1;
    const error_message =
      `Reset - orphaned from API worker timeout (attempt ${attempts}/3)`;
    const query = { id: `eq.${task["id"]}` };
    const body = { ...RESET, attempts, error_message };
    await wire.rows("PATCH", "tasks", query, body).catch(() => []);
  }
  // `worker_id` twice in truth; one filter says the same of these rows.
  const stale = await read(wire, {
    select: "id,task_type,worker_id",
    worker_id: "not.like.api-worker-%",
    updated_at: before(30),
    ...running,
  });
  const reason = "Reset - no activity for 30 minutes (stale task)";
  await reset(wire, withoutOrchestrators(stale), reason);
}

async function reset(
  wire: Wire,
  tasks: readonly Row[],
  error_message: string,
): Promise<void> {
  if (tasks.length === 0) return;
  const query = { id: `in.(${tasks.map(({ id }) => id).join(",")})` };
  const body = { ...RESET, error_message };
  await wire.rows("PATCH", "tasks", query, body).catch(() => []);
}

function read(wire: Wire, query: Record<string, string>): Promise<Row[]> {
  return wire.rows("GET", "tasks", query).catch(() => []);
}

function withoutOrchestrators(tasks: readonly Row[]): Row[] {
  return tasks.filter((task) =>
    !String(task["task_type"]).includes("orchestrator")
  );
}
