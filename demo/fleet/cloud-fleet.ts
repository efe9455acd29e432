import { SimulatedWorker, type Site } from "./simulated-worker.ts";

/** Seconds of production from renting a machine to its first claim. */
const START_SECONDS = 20;

/** The machines that the autoscaler rents, all with the service key. */
export class CloudFleet {
  readonly #running = new Map<SimulatedWorker, Promise<void>>();
  #rented = 0;

  constructor(
    private readonly serviceKey: string,
    private readonly site: Site,
  ) {}

  /** How many it pays for and believes in, dead ones that it has not missed too. */
  get size(): number {
    return [...this.#running.keys()].filter((one) => !one.isStopping).length;
  }

  rent(): void {
    const access = { key: this.serviceKey, signsOfLife: "beats" } as const;
    const name = `cloud-${++this.#rented}`;
    const worker = new SimulatedWorker(name, access, this.site);
    const end = worker.run(START_SECONDS)
      // The queue refused it, which it does to workers that it has given up.
      .catch((error: unknown) => this.site.story.tell(`${name}: ${error}`))
      .finally(() => this.#running.delete(worker));
    this.#running.set(worker, end);
  }

  /** One less; rather one that has nothing to do. */
  giveUpOne(): string | undefined {
    const workers = [...this.#running.keys()]
      .filter((one) => !one.isStopping && !one.isDead);
    const worker = workers.find((one) => !one.isBusy) ?? workers.at(-1);
    worker?.stop();
    return worker?.name;
  }

  /** Stops to count on a machine that has failed; whether it was counted on. */
  writeOff(name: string): boolean {
    for (const worker of this.#running.keys()) {
      if (worker.name !== name) continue;
      this.#running.delete(worker);
      worker.stop();
      return true;
    }
    return false;
  }

  /** Ends all of them; the dead have ended. */
  async close(): Promise<void> {
    const ends = [...this.#running].map(([worker, end]) => {
      worker.stop();
      return worker.isDead ? undefined : end;
    });
    await Promise.all(ends);
  }
}
