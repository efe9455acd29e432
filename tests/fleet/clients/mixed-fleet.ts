import { admin } from "../../support/db.ts";
import { runJob } from "../../support/fleet.ts";
import { GpuOrchestrator } from "./gpu-orchestrator.ts";
import { Machines } from "./machines.ts";
import type { MayCounts } from "./may-counts.ts";
import type { Wire } from "./wire.ts";

const MAX_ROUNDS = 120;
/** Longer than anything takes by itself: what nobody heard of comes back. */
const A_LULL_SECONDS = 16 * 60;

/** Workers of all generations side by side, and the orchestrators of three. */
export class MixedFleet extends Machines {
  private readonly orchestrator: GpuOrchestrator;

  constructor(
    wire: Wire,
    private readonly may: MayCounts,
    private readonly api: { poll(): Promise<void> },
  ) {
    super(wire);
    // It looks after machines; the test rents them.
    this.orchestrator = new GpuOrchestrator(wire, () => {}, 0, this.now);
  }

  /** Runs until all has ended; when nothing moves, time passes. */
  async runUntilEmpty(afterRound: () => Promise<void>): Promise<void> {
    let before = "";
    for (let round = 0; round < MAX_ROUNDS; round++) {
      await this.beat();
      await this.may.ask();
      await this.orchestrator.cycle();
      await this.takeTurns();
      await this.api.poll();
      await runJob("rescue");
      await runJob("settle");
      await afterRound();
      const now = await readiness();
      if (now === "") return;
      if (now === before) await this.skip(A_LULL_SECONDS);
      before = now;
    }
    throw new Error(`Not done after ${MAX_ROUNDS} rounds: ${before}`);
  }
}

/** What has not ended, and at which start it is; "" when all has. */
async function readiness(): Promise<string> {
  const [row] = await admin()<{ text: string }[]>`
    select coalesce(
      string_agg(concat_ws(' ', task_type, status, attempts), ', ' order by id),
      ''
    ) as text
    from public.tasks
    where status in ('Queued', 'In Progress')
  `;
  return row?.text ?? "";
}
