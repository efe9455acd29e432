import { completeTask } from "../endpoints/complete-task.ts";
import { createFileWorld, type FileWorldOptions } from "./fake-storage.ts";
import { outcome, post } from "./fakes.ts";

/** Sends a body to complete-task in a world of fakes; what it answered and what it did. */
export async function run(
  body: unknown,
  options: FileWorldOptions = {},
  headers?: Record<string, string>,
) {
  const world = createFileWorld(options);
  const result = await outcome(
    completeTask(world.deps),
    headers ? post(body, headers) : post(body),
  );
  const rpcs = world.rpcCalls.map((call) => call.name);
  const completion = world.rpcCalls.find((call) =>
    call.name === "complete_task"
  );
  return { ...world, result, rpcs, completed: completion?.args };
}
