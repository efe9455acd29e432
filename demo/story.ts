import type { Claim } from "../shared/client/calls.ts";
import type { CountsReply } from "../shared/counts.ts";
import type { Ledger } from "./ledger.ts";
import type { Person } from "./world/people.ts";

/** Throughput is of the last so many milliseconds. */
const WINDOW_MS = 5000;

/** Prints what happens: a line for each event, and one for each second. */
export class Story {
  readonly #names: ReadonlyMap<string, string>;
  /** Whether each worker has a task in hand. */
  readonly #workers = new Map<string, boolean>();
  readonly #endings: number[] = [];
  #printedSecond = -1;

  constructor(
    private readonly ledger: Ledger,
    private readonly people: readonly Person[],
    private readonly print: (line: string) => void,
    private readonly now: () => number,
  ) {
    this.#names = new Map(people.map((one) => [one.projectId, one.name]));
  }

  /** Something worth a line. */
  tell(text: string): void {
    this.print(`${clock(this.now())} ${text}`);
  }

  worker(name: string, isWorking: boolean): void {
    this.#workers.set(name, isWorking);
  }

  workerLeft(name: string): void {
    this.#workers.delete(name);
  }

  /** A job of the queue has put work back. */
  putBack(tasks: number): void {
    this.ledger.putBack += tasks;
    this.tell(`The rescue puts ${tasks} back: its worker is silent`);
  }

  completed(): void {
    this.#endings.push(this.now());
  }

  /** The task in a few words, as people speak of it. */
  describe({ task_id, task_type, project_id }: Claim): string {
    const name = this.#names.get(project_id ?? "") ?? "nobody";
    return `${task_type} ${task_id.slice(0, 4)} of ${name}`;
  }

  /** The queue in one line, unless this second has had its line. */
  counted(counts: CountsReply): void {
    const second = Math.floor(this.now() / 1000);
    if (second === this.#printedSecond) return;
    this.#printedSecond = second;
    this.tell(this.#statusLine(counts));
  }

  #statusLine({ totals, global_task_breakdown, blocked, users }: CountsReply) {
    const { in_progress_total, orchestrator_tasks } = global_task_breakdown;
    const waiting = Object.entries(blocked).filter(([, tasks]) => tasks > 0)
      .map(([reason, tasks]) => `${reason} ${tasks}`).join(", ") || "nothing";
    const slots = this.people.map(({ name, userId, limit }) => {
      const row = users.find(({ user_id }) => user_id === userId);
      return `${name} ${row?.in_progress_tasks ?? 0}/${limit}`;
    });
    const { enqueued, complete, failed } = this.ledger;
    const elapsed = this.now();
    const window = Math.max(1000, Math.min(WINDOW_MS, elapsed));
    const lately = this.#endings.filter((at) => at > elapsed - WINDOW_MS);
    const workers = [...this.#workers.values()];
    return `claimable ${totals.queued_only}, ` +
      `active ${in_progress_total - orchestrator_tasks}, ` +
      `complete ${complete}, failed ${failed} of ${enqueued.size}, ` +
      `${(lately.length * 1000 / window).toFixed(1)} tasks/s; ` +
      `slots ${slots.join(", ")}; ` +
      `${workers.filter(Boolean).length} of ${workers.length} workers work; ` +
      `waiting: ${waiting}`;
  }
}

/** Minutes and seconds since the start. */
function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const rest = String(seconds % 60).padStart(2, "0");
  return `${Math.floor(seconds / 60)}:${rest}`;
}
