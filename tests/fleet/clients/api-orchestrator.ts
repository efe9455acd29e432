import type { Wire } from "./wire.ts";

const WORKER = "api-worker-main";

/** The deployed API orchestrator: one poll, and what follows from it. */
export class ApiOrchestrator {
  constructor(
    private readonly wire: Wire,
    private readonly freeSlots: number,
  ) {}

  /** Counts once, claims that many times, works on what it got. */
  async poll(): Promise<void> {
    const body = { include_active: false, run_type: "api" };
    const counted = await this.wire.edge("task-counts", body).catch(() => null);
    if (counted?.status !== 200) return;
    const { totals } = counted.json as { totals: { queued_only: number } };
    const wanted = Math.min(this.freeSlots, totals.queued_only);
    for (let i = 0; i < wanted; i++) {
      const answer = await this.wire.edge("claim-next-task", {
        worker_id: WORKER,
        run_type: "api",
      }).catch(() => null);
      if (answer?.status === 204) return;
      if (answer?.status !== 200) continue;
      const { task_id } = answer.json as { task_id: string };
      await this.handIn(task_id);
    }
  }

  /** The file; if that fails its address; if that fails, too, Failed. */
  private async handIn(task_id: string): Promise<void> {
    const picture = await this.wire.edge("complete_task", {
      task_id,
      file_data: btoa(`picture of ${task_id}`),
      filename: "out.png",
    }).catch(() => null);
    if (picture?.status === 200) return;
    const output_location = `https://provider.test/${task_id}.png`;
    const plain = await this.wire.edge("complete_task", {
      task_id,
      output_location,
    }).catch(() => null);
    if (plain?.status === 200) return;
    await this.wire.edge("update-task-status", {
      task_id,
      status: "Failed",
      output_location: "Upload failed",
    }).catch(() => null);
  }
}
