import type { Answer, Wire } from "./wire.ts";

/** What all API orchestrators claim as. */
export const API_WORKER = "api-worker-main";

/**
 * A poll of an API orchestrator of any date: it counts once, and claims that many
 * times, as far as it has room. Null is a claim that was not answered.
 */
export async function claimCounted(
  wire: Wire,
  freeSlots: number,
  handle: (answer: Answer | null) => Promise<void>,
): Promise<void> {
  const body = { include_active: false, run_type: "api" };
  const counted = await wire.edge("task-counts", body).catch(() => null);
  if (counted?.status !== 200) return;
  const { totals } = counted.json as { totals: { queued_only: number } };
  const wanted = Math.min(freeSlots, totals.queued_only);
  for (let i = 0; i < wanted; i++) {
    const claim = { worker_id: API_WORKER, run_type: "api" };
    const answer = await wire.edge("claim-next-task", claim).catch(() => null);
    if (answer?.status === 204) return;
    await handle(answer);
  }
}
