import { PART } from "./fleet-words.ts";
import * as world from "./world.ts";

/** A new queued task of the owner, of the fleet's most usual type; its id. */
export function createTask(
  owner: world.Owner,
  columns: world.TaskColumns = {},
): Promise<string> {
  return world.createTask(owner, { task_type: PART, ...columns });
}

/** Several of them alike, in one statement; their ids. */
export function createTasks(
  owner: world.Owner,
  count: number,
  columns: world.TaskColumns = {},
): Promise<string[]> {
  return world.createTasks(owner, count, { task_type: PART, ...columns });
}
