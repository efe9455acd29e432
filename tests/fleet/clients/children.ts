import type { Task } from "./task.ts";
import type { Row, Wire } from "./wire.ts";

const SEEN_AFTER = 10;

/** Query G; a failure reads as "no children", and all are created again. */
export async function childrenOf(wire: Wire, id: string): Promise<Row[]> {
  return await wire.rows("GET", "tasks", {
    select: "id,task_type,status,params,output_location",
    params: `cs.{"orchestrator_task_id_ref": "${id}"}`,
    order: "created_at.asc",
  }).catch(() => []);
}

/** What young orchestrators ask instead; without an answer they go no further. */
export async function listChildren(wire: Wire, id: string): Promise<Row[]> {
  const body = { orchestrator_task_id: id };
  const answer = await wire.edgeWithRetry("get-orchestrator-children", body);
  if (answer?.status !== 200) throw new Error("Connection reset by peer");
  return (answer.json as { tasks: Row[] }).tasks;
}

/** Query H for all but the first of each index; returns those that stay. */
export async function withoutDuplicates(
  wire: Wire,
  children: readonly Row[],
  indexOf: (child: Row) => unknown,
): Promise<Map<unknown, Row>> {
  const kept = new Map<unknown, Row>();
  for (const child of children) {
    const index = indexOf(child);
    if (!kept.has(index)) kept.set(index, child);
    else {
      const query = { id: `eq.${child["id"]}` };
      await wire.rows("DELETE", "tasks", query, {}).catch(() => []);
    }
  }
  return kept;
}

/** E, create-task, F and C for one child; its id. */
export async function createChild(
  wire: Wire,
  parent: Task,
  task_type: string,
  params: Readonly<Record<string, unknown>>,
  dependant_on: string | null,
): Promise<string> {
  if (dependant_on !== null) {
    await seen(wire, dependant_on, "id", 3);
  }
  const task_id = crypto.randomUUID();
  const created = await wire.edgeWithRetry("create-task", {
    task_id,
    params: { ...params, orchestrator_task_id_ref: parent.id },
    task_type,
    project_id: parent.project_id,
    dependant_on,
  });
  // Anything else, 201 too, fails the orchestrator.
  if (created?.status !== 200) throw new Error(`create-task: ${created?.text}`);
  await seen(wire, task_id, "status,created_at,project_id,task_type");
  await seen(wire, task_id, "dependant_on", 1);
  return task_id;
}

/** Asks for a row until it is there; goes on without it in the end. */
async function seen(
  wire: Wire,
  id: string,
  select: string,
  tries = SEEN_AFTER,
): Promise<void> {
  for (let i = 0; i < tries; i++) {
    const row = await wire.single("tasks", { select, id: `eq.${id}` })
      .catch(() => null);
    if (row !== null) return;
  }
}
