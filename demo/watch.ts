import { createQueueClient } from "../shared/client/queue-client.ts";
import { webRuntime } from "../shared/client/runtime.ts";
import type { StackAddresses } from "../stack/stack-addresses.ts";
import type { Ledger } from "./ledger.ts";
import type { Story } from "./story.ts";

/** How often the queue is asked for what the story tells. */
const LOOK_MS = 200;

/** Looks at the queue, as anybody can, until nothing is left in it. */
export async function watchUntilEmpty(
  { apiUrl: url, secretKey: key }: StackAddresses,
  ledger: Ledger,
  story: Story,
  stop: AbortSignal,
): Promise<void> {
  const client = createQueueClient({ url, key });
  while (!stop.aborted && ledger.leftOver > 0) {
    const counts = await client.counts();
    for (const { user_id, in_progress_tasks } of counts.users) {
      ledger.noteSlots(user_id, in_progress_tasks);
    }
    const waiting = Object.values(counts.blocked)
      .reduce((sum, tasks) => sum + tasks, 0);
    ledger.leftOver = counts.totals.queued_only + waiting +
      counts.global_task_breakdown.in_progress_total;
    story.counted(counts);
    await webRuntime.wait(LOOK_MS, stop);
  }
}
