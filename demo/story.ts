import type { Claim } from "../shared/client/calls.ts";
import type { CountsReply } from "../shared/counts.ts";
import type { Ledger } from "./ledger.ts";
import type {
  Board,
  Happening,
  Tone,
  WorkerRow,
  WorkerState,
} from "./screen/board.ts";
import type { Person } from "./world/people.ts";

const KEPT_EVENTS = 60;
const KEPT_TURNS = 200;
/** Throughput is of the last so many milliseconds. */
const WINDOW_MS = 5000;

/** What stays the same throughout. */
export interface StorySetting {
  readonly ledger: Ledger;
  readonly people: readonly Person[];
  readonly speed: number;
  readonly seed: number;
}

/** What happens in the demo, collected for the screen. */
export class Story {
  readonly #people: ReadonlyMap<string, Person>;
  readonly #workers = new Map<string, WorkerRow>();
  readonly #events: Happening[] = [];
  readonly #turns: string[] = [];
  readonly #endings: number[] = [];
  readonly #completeOf = new Map<string, number>();
  #counts: CountsReply | undefined;
  /** Told of each event when it happens. */
  onEvent: (event: Happening) => void = () => {};

  constructor(
    private readonly setting: StorySetting,
    private readonly now: () => number,
  ) {
    this.#people = new Map(
      setting.people.map((person) => [person.projectId, person]),
    );
  }

  /** Something worth a line. */
  tell(text: string, tone: Tone = "plain"): void {
    const event = { atMs: this.now(), tone, text };
    this.#events.push(event);
    if (this.#events.length > KEPT_EVENTS) this.#events.shift();
    this.onEvent(event);
  }

  worker(name: string, state: WorkerState, doing = ""): void {
    this.#workers.set(name, { name, state, doing });
  }

  /** A job of the queue has put work back. */
  putBack(tasks: number): void {
    this.setting.ledger.putBack += tasks;
    this.tell(`The rescue puts ${tasks} back: its worker is silent`, "good");
    this.lostWork("its task was put back");
  }

  /** What becomes of the work that the dead worker held. */
  lostWork(doing: string): void {
    const name = this.setting.ledger.lostStart?.workerId ?? "";
    const row = this.#workers.get(name);
    if (row !== undefined) this.#workers.set(name, { ...row, doing });
  }

  /** The autoscaler has heard that this one has failed. */
  writtenOff(name: string): void {
    const row = this.#workers.get(name);
    if (row !== undefined) this.#workers.set(name, { ...row, state: "failed" });
  }

  workerLeft(name: string): void {
    this.#workers.delete(name);
  }

  served({ project_id }: Claim): void {
    this.#turns.push(this.#nameOf(project_id));
    if (this.#turns.length > KEPT_TURNS) this.#turns.shift();
  }

  completed({ project_id }: Claim): void {
    const name = this.#nameOf(project_id);
    this.#completeOf.set(name, (this.#completeOf.get(name) ?? 0) + 1);
    this.#endings.push(this.now());
  }

  counted(counts: CountsReply): void {
    this.#counts = counts;
  }

  /** The task in a few words, as people speak of it. */
  describe({ task_id, task_type, project_id }: Claim): string {
    return `${task_type} ${task_id.slice(0, 4)} of ${this.#nameOf(project_id)}`;
  }

  board(): Board {
    const { ledger, speed, seed } = this.setting;
    const elapsedMs = this.now();
    const breakdown = this.#counts?.global_task_breakdown;
    const orchestrators = breakdown?.orchestrator_tasks ?? 0;
    const since = elapsedMs - WINDOW_MS;
    const lately = this.#endings.filter((atMs) => atMs > since).length;
    return {
      elapsedMs,
      speed,
      seed,
      queue: {
        enqueued: ledger.enqueued.size,
        claimable: this.#counts?.totals.queued_only ?? 0,
        active: (breakdown?.in_progress_total ?? 0) - orchestrators,
        orchestrators,
        blocked: this.#counts?.blocked ?? {},
        complete: ledger.complete,
        failed: ledger.failed,
      },
      perSecond: lately * 1000 / Math.max(1000, Math.min(WINDOW_MS, elapsedMs)),
      rescues: ledger.putBack,
      turns: [...this.#turns],
      users: [...this.#people.values()].map((person) => this.#userRow(person)),
      workers: [...this.#workers.values()],
      events: [...this.#events],
    };
  }

  #nameOf(projectId: string | null): string {
    return this.#people.get(projectId ?? "")?.name ?? "nobody";
  }

  #userRow({ name, userId, limit }: Person) {
    const counted = this.#counts?.users.find((row) => row.user_id === userId);
    return {
      name,
      limit,
      running: counted?.in_progress_tasks ?? 0,
      ready: Number(counted?.["ready_tasks"] ?? 0),
      complete: this.#completeOf.get(name) ?? 0,
    };
  }
}
