import {
  createQueueClient,
  type QueueClient,
} from "../../shared/client/queue-client.ts";
import { webRuntime } from "../../shared/client/runtime.ts";
import type { CountsReply } from "../../shared/counts.ts";
import { WorkerHealthReply } from "../../shared/worker-health.ts";
import type { StackAddresses } from "../../stack/stack-addresses.ts";
import { callFunction } from "../call.ts";
import { EVERY, type Pace } from "../pace.ts";
import type { Story } from "../story.ts";
import type { CloudFleet } from "./cloud-fleet.ts";

/** Fewer are wanted so many times in a row before one is given up. */
const PATIENCE = 2;

/**
 * Asks how many workers make sense and which have failed, and rents or gives up
 * machines. examples/autoscaler.ts is the same for real processes.
 */
export class Autoscaler {
  readonly #client: QueueClient;
  #timesFewer = 0;

  constructor(
    private readonly stack: StackAddresses,
    private readonly fleet: CloudFleet,
    private readonly story: Story,
    private readonly maxWorkers: number,
  ) {
    const { apiUrl: url, secretKey: key } = stack;
    this.#client = createQueueClient({ url, key });
  }

  async run(pace: Pace, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      try {
        for (const name of await this.#failedWorkers()) {
          if (!this.fleet.writeOff(name)) continue;
          this.story.tell(`The autoscaler writes ${name} off: it has failed`);
        }
        this.#scale(await this.#client.counts({ run_type: "gpu" }));
      } catch (error) {
        // No numbers are no reason to change anything.
        if (!stop.aborted) this.story.tell(`No numbers: ${error}`);
      }
      await webRuntime.wait(pace.ms(EVERY.scaling), stop);
    }
  }

  /** Up at once, down one by one. */
  #scale({ suggested_workers }: CountsReply): void {
    const wanted = Math.min(suggested_workers ?? 0, this.maxWorkers);
    const missing = wanted - this.fleet.size;
    for (let more = 0; more < missing; more++) this.fleet.rent();
    if (missing > 0) {
      this.story.tell(`The autoscaler rents ${missing} more: ${wanted} in all`);
    }
    this.#timesFewer = missing < 0 ? this.#timesFewer + 1 : 0;
    if (this.#timesFewer < PATIENCE) return;
    const name = this.fleet.giveUpOne();
    if (name !== undefined) {
      this.story.tell(`The autoscaler gives ${name} up: ${wanted} are enough`);
    }
  }

  async #failedWorkers(): Promise<string[]> {
    const { stack } = this;
    const { workers } = WorkerHealthReply.parse(
      await callFunction(stack, "worker-health", {}, stack.secretKey),
    );
    return workers.filter(({ health }) => health === "failed")
      .map(({ worker_id }) => worker_id);
  }
}
