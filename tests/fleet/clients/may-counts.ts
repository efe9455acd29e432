import { ROUTE, workloadOnRoute } from "./scaling.ts";
import type { Wire } from "./wire.ts";

/** The counts of a GPU orchestrator of 16 May: docs/contract.md, 19. */
export class MayCounts {
  /** The load it saw at each look. */
  readonly loads: number[] = [];
  /** The status of each answer that reached it. */
  readonly statuses: number[] = [];

  constructor(private readonly wire: Wire) {}

  /** One look; what is no 200 counts as no tasks at all. */
  async ask(): Promise<void> {
    const body = { run_type: "gpu", ...ROUTE };
    const answer = await this.wire.edge("task-counts", body).catch(() => null);
    if (answer === null) return; // a lost reply: it looks again in 30 s
    const reply = answer.json as Parameters<typeof workloadOnRoute>[0];
    this.statuses.push(answer.status);
    const isCounted = answer.status === 200;
    this.loads.push(isCounted ? workloadOnRoute(reply).total : 0);
  }
}
