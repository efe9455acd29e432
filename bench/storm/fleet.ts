import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { Answer, Call } from "./call.ts";

const Claimed = z.object({
  task_id: z.string(),
  task_type: z.string(),
  project_id: z.string(),
});

/** What the machines saw. */
export class Sightings {
  /** How long each claim took that was answered, in ms, by who claimed. */
  readonly latencies: Record<string, number[]> = {};
  /** Claims by status. */
  readonly answers: Record<string, number> = {};
  /** The most machines that were busy for one owner at once, per kind. */
  readonly busiest = { tasks: 0, orchestration: 0 };
  readonly #busy = new Map<string, number>();

  claimed(who: string, { status }: Answer, ms: number): void {
    (this.latencies[who] ??= []).push(ms);
    const name = `${who} ${status}`;
    this.answers[name] = (this.answers[name] ?? 0) + 1;
  }

  /** A machine begins, or ends (-1), to work for an owner. */
  works(owner: string, kind: keyof Sightings["busiest"], by: 1 | -1): void {
    const key = `${kind} ${owner}`;
    const now = (this.#busy.get(key) ?? 0) + by;
    this.#busy.set(key, now);
    this.busiest[kind] = Math.max(this.busiest[kind], now);
  }
}

/** A machine: claims, works a while, completes, and so on until it is over. */
export async function runMachine(
  call: Call,
  machine: {
    readonly who: string;
    readonly workerId: string;
    readonly key: string;
    readonly workMs: number;
    readonly pollMs: number;
  },
  sightings: Sightings,
  isOver: () => boolean,
): Promise<void> {
  const { who, workerId, key, workMs, pollMs } = machine;
  while (!isOver()) {
    const begin = performance.now();
    const answer = await call(
      "/claim-next-task",
      { worker_id: workerId, run_type: "gpu" },
      { key },
    );
    sightings.claimed(who, answer, performance.now() - begin);
    if (answer.status !== 200) {
      await delay(pollMs);
      continue;
    }
    const task = Claimed.parse(JSON.parse(answer.text));
    const kind = task.task_type.endsWith("_orchestrator")
      ? "orchestration"
      : "tasks";
    // An owner's project has the owner's id.
    sightings.works(task.project_id, kind, 1);
    await delay(workMs);
    sightings.works(task.project_id, kind, -1);
    await call(
      "/complete-task",
      { task_id: task.task_id, output_location: "https://example.com/a.mp4" },
      { key },
    );
    await delay(pollMs);
  }
}
