import { admin, type Connection } from "../support/db.ts";
import { claim, complete } from "../support/operations.ts";
import {
  createOwner,
  createTasks,
  type TaskColumns,
} from "../support/world.ts";

/** The tables whose size and statistics a claim's plans depend on. */
const TABLES = ["public.tasks", "queue.user_lines", "queue.user_slots"];

/** So often do sessions do something before their plans are looked at. */
export const TURNS = 10;
const USERS = 10;

/** What the planner is told of the tables, which are full. */
export type Statistics = "an empty queue" | "the full queue";

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
