import type { StackAddresses } from "../../stack/stack-addresses.ts";
import { createToken, type Person } from "../world/people.ts";
import { SimulatedWorker, type Site } from "./simulated-worker.ts";

/** Users' own machines, which work for their users alone. */
export class OwnMachines {
  readonly #running: { machine: SimulatedWorker; end: Promise<void> }[] = [];

  constructor(
    private readonly stack: StackAddresses,
    private readonly site: Site,
  ) {}

  /** The user makes a token and starts a machine with it. */
  async start(person: Person): Promise<void> {
    const key = await createToken(this.stack, person);
    const name = `${person.name.toLowerCase()}s-pc`;
    const access = { key, signsOfLife: "reports" } as const;
    const machine = new SimulatedWorker(name, access, this.site);
    const end = machine.run().catch((error: unknown) =>
      this.site.story.tell(`${name}: ${error}`)
    );
    this.#running.push({ machine, end });
  }

  async close(): Promise<void> {
    for (const { machine } of this.#running) machine.stop();
    await Promise.all(this.#running.map(({ end }) => end));
  }
}
