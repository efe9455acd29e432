import { stepClock } from "../../support/clock.ts";
import { admin } from "../../support/db.ts";
import { runJob } from "../../support/fleet.ts";
import { GpuOrchestrator } from "./gpu-orchestrator.ts";
import { Guardian } from "./guardian.ts";
import type { MayCounts } from "./may-counts.ts";
import type { Wire } from "./wire.ts";

const MAX_ROUNDS = 120;
/** Longer than anything takes by itself: what nobody heard of comes back. */
const A_LULL_SECONDS = 16 * 60;

/** A worker of any generation. */
export interface Member {
  readonly id: string;
  isAlive: boolean;
  turn(): Promise<void>;
}

/** Workers of all generations side by side, and the orchestrators of three. */
export class MixedFleet {
  private readonly members: Member[] = [];
  private readonly guardians = new Map<string, Guardian>();
  private readonly orchestrator: GpuOrchestrator;
  private skippedSeconds = 0;

  constructor(
    private readonly wire: Wire,
    private readonly may: MayCounts,
    private readonly api: { poll(): Promise<void> },
  ) {
    const now = () => new Date(Date.now() + this.skippedSeconds * 1000);
    // It looks after machines; the test rents them.
    this.orchestrator = new GpuOrchestrator(wire, () => {}, 0, now);
  }

  /** A worker, and its guardian unless it may not beat. */
  add(member: Member, isGuarded = true): void {
    this.members.push(member);
    if (isGuarded) {
      this.guardians.set(member.id, new Guardian(member.id, this.wire));
    }
  }

  guardianOf(id: string): Guardian | undefined {
    return this.guardians.get(id);
  }

  /** Runs until all has ended; when nothing moves, time passes. */
  async runUntilEmpty(afterRound: () => Promise<void>): Promise<void> {
    let before = "";
    for (let round = 0; round < MAX_ROUNDS; round++) {
      await this.beat();
      await this.may.ask();
      await this.orchestrator.cycle();
      for (const member of this.members) {
        if (member.isAlive) await member.turn();
      }
      await this.api.poll();
      await runJob("rescue");
      await runJob("settle");
      await afterRound();
      const now = await standing();
      if (now === "") return;
      if (now === before) await this.skip(A_LULL_SECONDS);
      before = now;
    }
    throw new Error(`Not done after ${MAX_ROUNDS} rounds: ${before}`);
  }

  /** Lets time pass, in which the living beat. */
  async skip(seconds: number): Promise<void> {
    await stepClock(`${seconds} seconds`);
    this.skippedSeconds += seconds;
    await this.beat();
  }

  private async beat(): Promise<void> {
    for (const { id, isAlive } of this.members) {
      if (isAlive) await this.guardians.get(id)?.beat();
    }
  }
}

/** What has not ended, and at which start it is; "" when all has. */
async function standing(): Promise<string> {
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
