import type { Task } from "./task.ts";
import type { Wire } from "./wire.ts";

/**
 * What a worker until 17 March does next: docs/contract.md, 9. A task that it
 * holds, of a claim whose reply was lost, goes first; an orchestrator among them
 * only when nothing else is to be had, and its children have ended or never were.
 */
export async function nextTask(
  wire: Wire,
  worker: string,
  claim: () => Promise<Task | null>,
): Promise<Task | null> {
  const assigned = await findAssigned(wire, worker);
  const deferred = isOrchestrator(assigned) ? assigned : null;
  if (assigned !== null && deferred === null) return assigned;
  if (await isAnythingQueued(wire)) return await claim() ?? deferred;
  if (deferred === null || await hasOpenChildren(wire, deferred)) return null;
  return deferred;
}

export function isOrchestrator(task: Task | null): boolean {
  return task?.task_type.endsWith("_orchestrator") ?? false;
}

/** What workers of all dates send when they begin with anything else. */
export async function tellBeginning(wire: Wire, task: Task): Promise<void> {
  if (isOrchestrator(task)) return;
  await wire.edgeWithRetry("update-task-status", {
    task_id: task.id,
    status: "In Progress",
    reset_generation_started_at: true,
  });
}

/** Query A: the task of a claim whose reply was lost. */
async function findAssigned(wire: Wire, worker: string): Promise<Task | null> {
  const [row] = await wire.rows("GET", "tasks", {
    select: "id,params,task_type,project_id",
    worker_id: `eq.${worker}`,
    status: "eq.In Progress",
    limit: "1",
  }).catch(() => []);
  return row === undefined ? null : row as unknown as Task;
}

/** A failure is no answer: then the claim is attempted anyway. */
async function isAnythingQueued(wire: Wire): Promise<boolean> {
  const body = { run_type: "gpu", include_active: true };
  const answer = await wire.edge("task-counts", body).catch(() => null);
  if (answer?.status !== 200) return true;
  const { totals } = answer.json as { totals: Record<string, number> };
  return (totals["eligible_queued"] ?? 0) > 0 ||
    (totals["queued_only"] ?? 0) > 0;
}

/** Query B. */
async function hasOpenChildren(wire: Wire, { id }: Task): Promise<boolean> {
  const ended = ["complete", "failed", "cancelled", "canceled", "error"];
  const children = await wire.rows("GET", "tasks", {
    select: "id,status",
    params: `cs.{"orchestrator_task_id_ref": "${id}"}`,
  }).catch(() => null);
  return children === null ||
    children.some((child) =>
      !ended.includes(String(child["status"]).toLowerCase())
    );
}
