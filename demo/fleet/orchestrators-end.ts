import type { Claim } from "../../shared/client/calls.ts";
import { TaskStatusReply } from "../../shared/task-reads.ts";
import type { StackAddresses } from "../../stack/stack-addresses.ts";
import { callFunction } from "../call.ts";
import type { Ledger } from "../ledger.ts";
import type { Story } from "../story.ts";
import { parentOf } from "./orchestrate.ts";

/**
 * After a stitch: how did its orchestrator end? No worker reports that. The
 * queue ends it with its last child, and says so to who asks.
 */
export async function askForOrchestratorsEnd(
  stack: StackAddresses,
  child: Claim,
  ledger: Ledger,
  story: Story,
): Promise<void> {
  const task_id = parentOf(child);
  if (task_id === undefined || child.task_type !== "travel_stitch") return;
  const { status } = TaskStatusReply.parse(
    await callFunction(stack, "get-task-status", { task_id }, stack.secretKey),
  );
  ledger.ended.set(task_id, status);
  story.tell(`${story.describe(child)} ends its travel job: ${status}`);
}
