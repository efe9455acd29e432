import { GpuWorker } from "./gpu-worker.ts";
import type { MixedFleet } from "./mixed-fleet.ts";
import { type Task, WorkerDied } from "./task.ts";
import type { Wire } from "./wire.ts";
import { APRIL, MARCH, YoungWorker } from "./young-worker.ts";

/** Who dies in the middle of a part, and how. */
export const DYING = {
  killed: "gpu-20260111_120000-0a1b2c3d",
  silent: "gpu-20260301_120000-0000c0de",
  goodbye: "gpu-20260411_101010-dddd0002",
} as const;

type End = keyof typeof DYING;

/** The task that each of them had begun. */
export type Parts = Readonly<Partial<Record<End, string>>>;

/** How long the pod is silent before its place is taken. */
export const SILENCE = 121;

/**
 * Three workers and how each ends in the middle of a part: a pod without a word,
 * a process that its guardian outlives, one that is told to end and says goodbye.
 * Another of its generation takes the place of each.
 */
export function addDying(fleet: MixedFleet, wire: Wire) {
  const parts = new Map<End, string>();
  const pending: (() => Promise<void>)[] = [];
  const inPart = (end: End, then: () => Promise<void>) => (task: Task) => {
    if (task.task_type.endsWith("_orchestrator") || parts.has(end)) return;
    parts.set(end, task.id);
    pending.push(then);
    throw new WorkerDied();
  };
  const january = (id: string) =>
    new GpuWorker(
      id,
      wire,
      inPart("killed", async () => {
        await fleet.guardianOf(id)?.reportEnd();
        fleet.add(january(`${DYING.killed}-b`));
      }),
    );
  const march = (id: string) =>
    new YoungWorker(
      id,
      wire,
      MARCH,
      inPart("silent", async () => {
        await fleet.skip(SILENCE);
        fleet.add(march(`${DYING.silent}-b`));
      }),
    );
  const april = (id: string): YoungWorker => {
    const worker: YoungWorker = new YoungWorker(
      id,
      wire,
      APRIL,
      inPart("goodbye", async () => {
        await worker.end();
        fleet.add(april(`${DYING.goodbye}-a`));
      }),
    );
    return worker;
  };
  fleet.add(january(DYING.killed));
  fleet.add(march(DYING.silent));
  fleet.add(april(DYING.goodbye));
  return {
    parts: (): Parts => Object.fromEntries(parts),
    afterRound: async () => {
      for (const end of pending.splice(0)) await end();
    },
  };
}
