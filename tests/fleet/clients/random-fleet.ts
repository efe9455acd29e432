import { GOODBYE } from "../../support/beats.ts";
import type { Chance } from "../../support/chance.ts";
import { stepClock } from "../../support/clock.ts";
import { beat, runJob, spawnWorker } from "../../support/fleet.ts";
import { createTask } from "../../support/fleet-tasks.ts";
import { type Owner, readTask } from "../../support/world.ts";
import { API_WORKER as API } from "./api-claims.ts";
import { claimOfApril, claimOfMarch } from "./claims.ts";
import { endAll } from "./good-workers.ts";
import { RESET } from "../../support/resets.ts";
import { type Claimed, retryBody } from "./retry-since-january.ts";
import type { Answer, Wire } from "./wire.ts";

type Generation = "January" | "March" | "April" | "shared" | "api";

interface Machine {
  readonly id: string;
  readonly generation: Generation;
  isAlive: boolean;
  /** What it works on, and the failures before, as its claim said. */
  readonly work: Map<string, number>;
}

const GENERATIONS = ["January", "March", "April"] as const;
const NAMES: Readonly<Record<string, string>> = {
  ...{ shared: "local-worker", api: API },
};
const LOST = 0.1; // of all replies
// A row's words for a machine that is not needed: May, and January.
const HOME: readonly Record<string, string>[] = [
  { termination_reason: "over_capacity" },
  { error_reason: "Idle timeout (320s) with no work available" },
];

/** Machines of several generations that make legal moves at random. */
export class RandomFleet {
  readonly faults: string[] = [];
  /** What moves were made, each of which was answered as it should be. */
  readonly made = new Set<string>();
  private readonly machines: Machine[] = [];
  private readonly completed = new Set<string>();
  private tasks = 0;

  constructor(
    private readonly chance: Chance,
    private readonly wire: Wire,
    private readonly owners: readonly Owner[],
    readonly type: string,
  ) {}

  async start(): Promise<void> {
    for (const generation of GENERATIONS) await this.rent(generation);
    await this.rent("shared");
    await this.rent("shared");
    await this.rent("api");
    for (let task = 0; task < 5; task++) await this.enqueue();
  }

  async move(): Promise<void> {
    const machine = this.chance.pick(this.machines.filter((m) => m.isAlive));
    const [task] = machine.work.keys();
    const isGpu = machine.generation !== "api";
    const kind = this.chance.next();
    if (kind < 0.3) await this.claim(machine);
    else if (kind < 0.5 && task !== undefined) await this.finish(machine, task);
    else if (kind < 0.62 && task !== undefined) await this.fail(machine, task);
    else if (kind < 0.7) await this.enqueue();
    else if (kind < 0.78) await this.pass(this.chance.pick([5, 50, 110, 420]));
    else if (kind < 0.82 && isGpu) await this.replace(machine);
    else if (kind < 0.88 && isGpu) await this.endItself(machine);
    else if (kind < 0.92) await this.changeType();
    else if (kind < 0.95) await this.sayApiIsGone();
    else if (kind < 0.97 && task !== undefined) await this.reset(task);
    else if (isGpu && machine.generation !== "shared") {
      await this.sendHome(machine);
    }
  }

  /** All who live end what they do, and good ones do the rest. */
  async end(): Promise<void> {
    for (const machine of this.machines.filter((m) => m.isAlive)) {
      for (const task of machine.work.keys()) await this.finish(machine, task);
      machine.isAlive = false;
    }
    for (let minute = 0; minute < 25; minute++) await this.pass(60);
    await this.makeRareMoves();
    for (let round = 0; round < 12; round++) {
      await this.pass(61);
      await endAll(this.wire, `good-${round}`);
    }
    for (const task of this.completed) {
      const { status } = await readTask(task);
      if (status !== "Complete") this.faults.push(`${task} was ${status}`);
    }
  }

  /** Each with work in hand, whatever chance has brought until now. */
  private async makeRareMoves(): Promise<void> {
    const moves: readonly ((of: Machine, task: string) => Promise<void>)[] = [
      (machine) => this.sendHome(machine),
      (machine) => this.endItself(machine),
      (machine, task) => this.fail(machine, task),
      (_machine, task) => this.reset(task),
    ];
    for (const move of moves) {
      await createTask(this.owners[0]!, { task_type: "travel_segment" });
      const machine = await this.rent("January");
      while (machine.work.size === 0) await this.claim(machine);
      const [task = ""] = machine.work.keys();
      await move(machine, task);
      machine.isAlive = false;
    }
  }

  private async rent(generation: Generation): Promise<Machine> {
    const id = NAMES[generation] ?? `gpu-${generation}-${this.machines.length}`;
    const machine = { id, generation, isAlive: true, work: new Map() };
    this.machines.push(machine);
    if (generation === "api") {
      await this.wire.rows("POST", "workers", {}, {
        ...{ id, instance_type: "api", status: "active" },
        metadata: { type: "api_orchestrator" },
      });
    } else {
      if (generation !== "shared") await spawnWorker(id);
      await beat(id);
    }
    return machine;
  }

  private async claim(machine: Machine): Promise<void> {
    const { id, generation, work } = machine;
    if (work.size >= (generation === "api" ? 3 : 1)) return;
    const answer = generation === "api"
      ? await this.claimApi()
      : await (generation === "April" ? claimOfApril : claimOfMarch)(
        this.wire,
        id,
      );
    if (![200, 204, 409].includes(answer.status)) {
      this.faults.push(`${id} claims: ${answer.status} ${answer.text}`);
    }
    if (answer.status !== 200 || this.chance.next() < LOST) return;
    const { task_id, attempts } = answer.json as Claimed;
    work.set(task_id, attempts ?? 0);
    this.made.add(`claimed by ${generation}`);
  }

  private claimApi(): Promise<Answer> {
    const body = { worker_id: API, run_type: "api" };
    return this.wire.edge("claim-next-task", body);
  }

  private async finish(machine: Machine, task: string): Promise<void> {
    machine.work.delete(task);
    const { status } = await readTask(task);
    await this.complete(task);
    // Its reply was lost: once more, with the same body.
    if (this.chance.next() < LOST) await this.complete(task);
    if (status !== "Failed" && status !== "Cancelled") this.completed.add(task);
  }

  private async complete(task: string): Promise<void> {
    const body = { task_id: task, output_location: `https://a.test/${task}` };
    const answer = await this.wire.edge("complete_task", body);
    this.make("completed", answer);
  }

  private async fail(machine: Machine, task: string): Promise<void> {
    const attempts = machine.work.get(task) ?? 0;
    machine.work.delete(task);
    const error = `${machine.id} could not do it`;
    const body = machine.generation !== "January" && attempts < 2
      ? retryBody({ task_id: task, attempts }, "generation_no_output", error)
      : { task_id: task, status: "Failed", output_location: error };
    const repeats = this.chance.next() < LOST ? 2 : 1;
    for (let sent = 0; sent < repeats; sent++) {
      const answer = await this.wire.edge("update-task-status", body);
      this.make(String(body.status), answer);
    }
  }

  private async enqueue(): Promise<void> {
    if (this.tasks++ > 25) return;
    const types = ["travel_segment", this.type, "z_image_turbo"];
    const task_type = this.chance.pick(types);
    const priority = this.chance.pick([0, 1]);
    await createTask(this.chance.pick(this.owners), { task_type, priority });
  }

  /** Time passes; the living beat, and name what they do. */
  private async pass(seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left -= 55) {
      await stepClock(`${Math.min(left, 55)} seconds`);
      for (const { id, generation, isAlive, work } of this.machines) {
        if (!isAlive || generation === "api") continue;
        const named = [...work.keys()];
        await beat(id, named.map((task_id) => ({ message: "Step", task_id })));
      }
      for (const job of ["rescue", "sweep", "settle"]) await runJob(job);
    }
  }

  private async replace(machine: Machine): Promise<void> {
    machine.isAlive = false;
    await this.rent(machine.generation);
  }

  private async endItself(machine: Machine): Promise<void> {
    if (machine.generation === "April" || machine.generation === "shared") {
      const body = { worker_id_param: machine.id, logs_param: [], ...GOODBYE };
      this.make(
        "goodbye",
        await this.wire.rpc("func_worker_heartbeat_with_logs", body),
      );
    } else {
      await beat(machine.id, [], "crashed");
      this.made.add("crash");
    }
    await this.replace(machine);
  }

  /** By one step or two, before its last word: no start is lost for that. */
  private async sendHome(machine: Machine): Promise<void> {
    await beat(machine.id);
    const [task] = await this.wire.rows("GET", "tasks", {
      select: "id,attempts",
      ...{ worker_id: `eq.${machine.id}`, status: "eq.In Progress" },
    });
    const metadata = this.chance.pick(HOME);
    const steps = this.chance.pick(["terminated", "terminating terminated"]);
    for (const status of steps.split(" ")) {
      const body = { status, metadata };
      const ids = { id: `eq.${machine.id}` };
      await this.wire.rows("PATCH", "workers", ids, body);
    }
    this.made.add(task === undefined ? "idle sent home" : "sent home");
    await this.endItself(machine);
    if (task === undefined) return;
    const { attempts, error_message } = await readTask(String(task["id"]));
    if (Number(attempts) >= Number(task["attempts"])) {
      this.faults.push(`${task["id"]} lost a start: ${error_message}`);
    }
  }

  private async reset(task: string): Promise<void> {
    const body = { ...RESET, error_message: "Reset - orphaned" };
    const ids = { id: `in.(${task})` };
    await this.wire.rows("PATCH", "tasks", ids, body);
    this.made.add("reset");
  }

  private async changeType(): Promise<void> {
    const p_changes = { pool: this.chance.pick(["gpu", "api"]) };
    const body = { p_name: this.type, p_changes };
    this.make("type changed", await this.wire.rpc("set_task_type", body));
  }

  private async sayApiIsGone(): Promise<void> {
    const status = this.chance.pick(["error", "terminating", "terminated"]);
    const body = { status, metadata: { error_reason: "No heartbeat" } };
    await this.wire.rows("PATCH", "workers", { id: `eq.${API}` }, body);
    this.made.add("api said to be gone");
  }

  private make(move: string, { status, text }: Answer): void {
    if (status === 200) this.made.add(move);
    else this.faults.push(`${move}: ${status} ${text}`);
  }
}
