import type { Connection } from "../../support/db.ts";
import { MISSING_TASK, taskId, userId } from "./ids.ts";
import { isOldRow, type Task, type World } from "./world.ts";
import { PARENT } from "../../support/fleet-words.ts";

/** A task and its place in the world. */
interface Placed {
  readonly task: Task;
  readonly index: number;
}

/** Brings the tasks of a world about. */
export async function writeTasks(sql: Connection, world: World): Promise<void> {
  const all = world.tasks.map((task, index) => ({ task, index }));
  const oldRows = all.filter(({ task }) => isOldRow(task));
  await insertTasks(sql, world, oldRows);
  await forgetColumns(sql, oldRows);
  await insertTasks(sql, world, all.filter(({ task }) => !isOldRow(task)));
  await addDependencies(sql, all);
  await moveTasks(sql, all);
}

async function insertTasks(
  sql: Connection,
  { elapsedMinutes }: World,
  tasks: readonly Placed[],
): Promise<void> {
  for (const statement of statements(tasks)) {
    const rows = statement.map(({ task, index }) => ({
      id: taskId(index),
      task_type: task.type,
      project_id: userId(task.owner),
      run_type: task.runType,
      priority: task.priority,
      age: (task.ageMinutes - elapsedMinutes) * 60,
      due_in: task.dueInMinutes === null
        ? null
        : (task.dueInMinutes + elapsedMinutes) * 60,
      dependant_on: task.dependsOn[0] === undefined
        ? null
        : dependencyId(task.dependsOn[0]),
      params: {
        [PARENT]: parentId(task.parent),
        model: task.model,
      },
    }));
    await sql`
      insert into public.tasks (
        id, task_type, project_id, run_type, priority, dependant_on, params,
        created_at, available_at
      )
      select
        id, task_type, project_id, run_type, priority, dependant_on, params,
        fairlane_core.now() - make_interval(secs => age),
        fairlane_core.now() + make_interval(secs => due_in)
      from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as t (
        id uuid, task_type text, project_id uuid, run_type text, priority int,
        dependant_on uuid, params jsonb, age float, due_in float
      )
    `;
  }
}

function statements(tasks: readonly Placed[]): Placed[][] {
  const groups: Placed[][] = [];
  for (const placed of tasks) {
    const last = groups.at(-1);
    if (last !== undefined && placed.task.isInSameStatement) last.push(placed);
    else groups.push([placed]);
  }
  return groups;
}

/** Only the database's owner can make a row look like one from before. */
async function forgetColumns(
  sql: Connection,
  tasks: readonly Placed[],
): Promise<void> {
  const ids = (wanted: (task: Task) => boolean) => idsOf(tasks, wanted);
  const withoutOwner = ids((task) => !task.hasOwner);
  const withoutRunType = ids((task) => task.runType === null);
  await sql`
    update public.tasks
    set
      user_id = case when id <> all (${withoutOwner}::uuid[]) then user_id end,
      run_type = case when id <> all (${withoutRunType}::uuid[]) then run_type end
    where id = any (${[...withoutOwner, ...withoutRunType]}::uuid[])
  `;
}

/** All but the first, which came with the task. */
async function addDependencies(
  sql: Connection,
  tasks: readonly Placed[],
): Promise<void> {
  const rows = tasks.flatMap(({ task, index }) =>
    task.dependsOn.slice(1).map((other) => ({
      task_id: taskId(index),
      depends_on: dependencyId(other),
    }))
  );
  await sql`
    insert into fairlane_core.task_dependencies
    select *
    from jsonb_populate_recordset(
      null::fairlane_core.task_dependencies, ${
    JSON.stringify(rows)
  }::text::jsonb
    )
  `;
  await sql`
    select fairlane_core.recompute_readiness(
      ${rows.map((row) => row.task_id)}::uuid[]
    )
  `;
}

/** From Queued to the state they have in the world. */
async function moveTasks(
  sql: Connection,
  tasks: readonly Placed[],
): Promise<void> {
  const ids = (wanted: (task: Task) => boolean) => idsOf(tasks, wanted);
  const holds = (holder: Task["holder"]) => (task: Task) =>
    task.status === "In Progress" && task.holder === holder;
  const putBack = ids((task) => task.status === "Queued" && task.wasStarted);
  const complete = ids((task) => task.status === "Complete");
  const byOwner = ids(holds("owner"));
  const started = [...putBack, ...complete, ...byOwner, ...ids(holds("fleet"))];
  await sql`
    update public.tasks
    set
      status = 'In Progress',
      worker_id = 'worker-' || id,
      token_id = case when id = any (${byOwner}::uuid[]) then user_id end,
      lease_token = gen_random_uuid(),
      attempts = 1,
      claimed_at = fairlane_core.now(),
      generation_started_at = fairlane_core.now()
    where id = any (${started}::uuid[])
  `;
  const endings = {
    Queued: putBack,
    Complete: complete,
    Failed: ids((task) => task.status === "Failed"),
    Cancelled: ids((task) => task.status === "Cancelled"),
  };
  for (const [status, ended] of Object.entries(endings)) {
    await sql`
      update public.tasks set status = ${status}
      where id = any (${ended}::uuid[])
    `;
    // What waits for a child that went with its family follows in its turn.
    await sql`select fairlane_core.settle_deferred()`;
  }
}

function parentId(parent: Task["parent"]): unknown {
  if (typeof parent === "number") return taskId(parent);
  const written = {
    missing: MISSING_TASK,
    malformed: "task-7",
    "a number": 7,
  };
  return parent === null ? null : written[parent];
}

function dependencyId(other: number | "missing"): string {
  return taskId(other === "missing" ? 0xffff : other);
}

function idsOf(
  tasks: readonly Placed[],
  wanted: (task: Task) => boolean,
): string[] {
  return tasks.filter(({ task }) => wanted(task))
    .map(({ index }) => taskId(index));
}
