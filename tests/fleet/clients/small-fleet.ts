import { stepClock } from "../../support/clock.ts";
import { runJob } from "../../support/fleet.ts";
import { GpuOrchestrator } from "./gpu-orchestrator.ts";
import { GpuWorker } from "./gpu-worker.ts";
import { Guardian } from "./guardian.ts";
import type { Task } from "./task.ts";
import type { Wire } from "./wire.ts";

const MAX_ROUNDS = 80;

/** A GPU orchestrator and the workers that it rents, in rounds. */
export class SmallFleet {
  readonly workers: GpuWorker[] = [];
  private readonly guardians = new Map<string, Guardian>();
  private readonly orchestrator: GpuOrchestrator;
  private skippedSeconds = 0;

  constructor(
    private readonly wire: Wire,
    private readonly onStart: (task: Task) => void = () => {},
    maxWorkers = 2,
    private readonly workerWire: Wire = wire,
  ) {
    this.orchestrator = new GpuOrchestrator(
      wire,
      (id) => this.add(id),
      maxWorkers,
      () => new Date(Date.now() + this.skippedSeconds * 1000),
    );
  }

  /**
   * Runs until it is done: beats, a cycle, a turn of each worker, and what
   * pg_cron does each minute.
   */
  async runUntil(isDone: () => Promise<boolean>): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if (await isDone()) return;
      await this.beat();
      await this.orchestrator.cycle();
      for (const worker of this.workers) {
        if (worker.isAlive) await worker.turn();
      }
      await runJob("rescue");
    }
    throw new Error(`Not done after ${MAX_ROUNDS} rounds`);
  }

  /** Lets time pass, in which the living beat. */
  async skip(seconds: number): Promise<void> {
    await stepClock(`${seconds} seconds`);
    this.skippedSeconds += seconds;
    await this.beat();
  }

  /** The guardians notice which processes are gone. */
  async reportEnds(): Promise<void> {
    for (const { id, isAlive } of this.workers) {
      if (!isAlive) await this.guardians.get(id)?.reportEnd();
    }
  }

  private async beat(): Promise<void> {
    for (const { id, isAlive } of this.workers) {
      if (isAlive) await this.guardians.get(id)?.beat();
    }
  }

  private add(id: string): void {
    this.workers.push(new GpuWorker(id, this.workerWire, this.onStart));
    this.guardians.set(id, new Guardian(id, this.wire));
  }
}
