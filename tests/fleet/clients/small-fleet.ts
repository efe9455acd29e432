import { runJob } from "../../support/fleet.ts";
import { GpuOrchestrator } from "./gpu-orchestrator.ts";
import { GpuWorker } from "./gpu-worker.ts";
import { Machines } from "./machines.ts";
import type { Task } from "./task.ts";
import type { Wire } from "./wire.ts";

const MAX_ROUNDS = 80;

/** A GPU orchestrator and the workers that it rents, in rounds. */
export class SmallFleet extends Machines {
  private readonly orchestrator: GpuOrchestrator;

  constructor(
    wire: Wire,
    onStart: (task: Task) => void = () => {},
    maxWorkers = 2,
    workerWire: Wire = wire,
  ) {
    super(wire);
    this.orchestrator = new GpuOrchestrator(
      wire,
      (id) => this.add(new GpuWorker(id, workerWire, onStart)),
      maxWorkers,
      this.now,
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
      await this.takeTurns();
      await runJob("rescue");
    }
    throw new Error(`Not done after ${MAX_ROUNDS} rounds`);
  }
}
