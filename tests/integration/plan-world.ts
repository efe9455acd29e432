import { admin, type Connection } from "../support/db.ts";
import { drainDependencies, seemDrained } from "../support/drained-tables.ts";
import { claim, complete } from "../support/operations.ts";
import { size } from "../support/size.ts";
import {
  createOwner,
  createTasks,
  reset,
  type TaskColumns,
} from "../support/world.ts";

/** The tables whose size and statistics a claim's plans depend on. */
const TABLES = [
  "public.tasks",
  "fairlane_core.user_queues",
  "fairlane_core.user_slots",
];

const DRAINED = [
  ...TABLES,
  ...[
    "public.task_events",
    "fairlane_core.blocked_tasks",
    "fairlane_core.task_dependencies",
  ],
  ...[
    "fairlane_core.subtasks",
    "fairlane_core.orchestrations",
    "fairlane_core.held_slots",
  ],
];

/** So often do sessions do something before their plans are looked at. */
export const TURNS = 10;
const USERS = 10;

/** What the planner is told of the tables, which are full. */
export type Statistics =
  | "a queue that one user had filled"
  | "a queue in which each user had one task"
  | "a queue that was drained"
  | "a queue whose tasks had ended"
  | "a queue whose tasks all ran"
  | "a queue whose tasks all waited"
  | "the full queue";

/** Those that have nothing to do with what is in the tables; in `npm test` those that have found most. */
export const LYING: readonly Statistics[] = ([
  "a queue whose tasks had ended",
  "a queue that one user had filled",
  "a queue in which each user had one task",
  "a queue that was drained",
  "a queue whose tasks all waited",
  "a queue whose tasks all ran",
] as const).slice(0, size(4, 6));

/** For what takes long: those that have found something. */
export const SOME_LYING: readonly Statistics[] = [
  "a queue whose tasks had ended",
  "a queue whose tasks all waited",
];

/** Tests say themselves when the statistics are renewed. */
export async function letAutovacuum(isOn: boolean): Promise<void> {
  for (const table of TABLES) {
    await admin().unsafe(
      isOn
        ? `alter table ${table} reset (autovacuum_enabled)`
        : `alter table ${table} set (autovacuum_enabled = off)`,
    );
  }
}

/** Tells the planner how the tables are now. */
export async function analyze(): Promise<void> {
  await admin().unsafe(`analyze ${TABLES.join(", ")}`);
}

/**
 * Empties the queue, and leaves statistics of what was in it: to analyze an
 * empty table keeps those of its columns.
 */
export async function emptyAfter(statistics: Statistics): Promise<void> {
  await reset();
  // Its one row is read for every task, with all pages that steps of the clock beside an open transaction have left.
  await admin()`vacuum full fairlane_core.settings`;
  if (statistics === "a queue in which each user had one task") {
    await admin()`
      with owner as (
        insert into public.users (id, credits)
        select gen_random_uuid(), 100 from generate_series(1, 500)
        returning id
      ),
      project as (
        insert into public.projects (user_id, name)
        select id, 'Project of a test' from owner
        returning id
      )
      select 1 from project
    `;
    await admin()`
      insert into public.tasks (task_type, project_id)
      select 'clip', id from public.projects
    `;
  } else {
    const available_at = statistics === "a queue whose tasks all waited"
      ? "2100-01-01T00:00:00Z"
      : null;
    await createTasks(await createOwner(), 500, { available_at });
    if (statistics === "a queue whose tasks had ended") {
      await admin()`update public.tasks set status = 'Cancelled'`;
    }
    if (statistics === "a queue whose tasks all ran") {
      await admin()`update public.tasks set status = 'In Progress', worker_id = 'w'`;
    }
  }
  await analyze();
  await reset();
  await analyze();
  if (statistics === "a queue that was drained") {
    await drainDependencies();
    await seemDrained(DRAINED);
  }
}

/** Nine of ten tasks, the oldest, belong to a user who may run none. */
export async function fill(
  tasks: number,
  columns: TaskColumns = {},
): Promise<void> {
  const others = tasks / 10;
  const stopped = await createOwner({ maxInProgress: 0 });
  await createTasks(stopped, tasks - others, columns);
  for (let user = 0; user < USERS; user++) {
    await createTasks(await createOwner(), others / USERS, columns);
  }
}

/** Until the session's plans are made for good. */
export async function warmUp(sql: Connection): Promise<void> {
  await createTasks(await createOwner(), TURNS);
  for (let turn = 0; turn < TURNS; turn++) {
    const task = await claim(sql, `early-${turn}`);
    if (task !== null) await complete(sql, task.task_id);
  }
}
