import type { Wire } from "./wire.ts";

/** What an orchestrator of 16 May sends with every count: all seven, always. */
export const ROUTE = {
  worker_backend: "wgp",
  worker_profile: "1",
  worker_pool: "gpu-wgp-production",
  selector_namespace: "production",
  selector_version: null,
  worker_contract_version: 1,
  worker_run_id: null,
};

/** The counts of a GPU orchestrator of 16 May: docs/contract.md, 19. */
export class MayCounts {
  /** The load it saw at each look. */
  readonly loads: number[] = [];

  constructor(private readonly wire: Wire) {}

  /** One look; what is no 200 counts as no tasks at all. */
  async ask(): Promise<void> {
    const body = { run_type: "gpu", ...ROUTE };
    const answer = await this.wire.edge("task-counts", body).catch(() => null);
    if (answer === null) return; // a lost reply: it looks again in 30 s
    this.loads.push(answer.status === 200 ? loadOf(answer.json) : 0);
  }
}

function loadOf(json: unknown): number {
  const { totals, route_totals } = json as {
    readonly totals: Readonly<Record<string, number | null>>;
    readonly route_totals?: unknown;
  };
  // It would sum the rows of its own route, and see 0 without one.
  if (Array.isArray(route_totals)) throw new Error("No row is its own");
  const { potentially_claimable, queued_only, active_only } = totals;
  return (potentially_claimable ?? queued_only ?? 0) + (active_only ?? 0);
}
