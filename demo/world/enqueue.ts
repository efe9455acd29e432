import { CreateBatchReply, MAX_BATCH } from "../../shared/create.ts";
import type { StackAddresses } from "../../stack/stack-addresses.ts";
import { callFunction } from "../call.ts";
import type { Person } from "./people.ts";
import type { PlannedTask } from "./tasks.ts";

/** Enqueues a user's tasks as the web app does, in batches; their ids. */
export async function enqueue(
  stack: StackAddresses,
  { jwt, projectId: project_id }: Person,
  planned: readonly PlannedTask[],
): Promise<string[]> {
  const ids: string[] = [];
  for (let from = 0; from < planned.length; from += MAX_BATCH) {
    const tasks = planned.slice(from, from + MAX_BATCH)
      .map((task) => ({ ...task, project_id }));
    const reply = await callFunction(stack, "create-task", { tasks }, jwt);
    const created = CreateBatchReply.parse(reply).tasks;
    ids.push(...created.map(({ task_id }) => task_id));
  }
  return ids;
}
