import { expect } from "vitest";
import { resetClock } from "../../support/clock.ts";
import { admin } from "../../support/db.ts";
import { beat, spawnWorker } from "../../support/fleet.ts";
import { createTask } from "../../support/fleet-tasks.ts";
import {
  createOwner,
  readTask,
  reset,
  startTask,
} from "../../support/world.ts";
import {
  JOBS,
  ORCHESTRATORS,
  OTHERS,
  RESET_WORDS,
  type Scene,
} from "./moves.ts";
import type { Order, Other, Theirs } from "./verdicts.ts";

/** A scene for each orchestrator that has a part in this world. */
export type Cast = ReadonlyMap<Theirs, Scene>;

type Pool = "gpu" | "api" | "by hand";

/** Whom an orchestrator's move is about. */
export function poolOf(one: Theirs): Pool {
  if (one === "O2 sets to error") return "by hand";
  const isOfApi = one === "O1 resets by API timeout" ||
    one === "O4 resets at its start";
  return isOfApi ? "api" : "gpu";
}

/** A scene for each of them, in one world. */
export async function castOf(
  theirs: readonly Theirs[],
  holds: boolean,
): Promise<Cast> {
  await resetClock();
  await reset();
  const cast = new Map<Theirs, Scene>();
  for (const one of theirs) cast.set(one, await setScene(one, holds));
  // They have been there for a while.
  await admin()`
    update public.workers set created_at = fairlane_core.now() - interval '1 hour'
  `;
  return cast;
}

export async function sceneAlone(one: Theirs, holds: boolean): Promise<Scene> {
  return sceneOf(await castOf([one], holds), one);
}

export function sceneOf(cast: Cast, one: Theirs): Scene {
  const scene = cast.get(one);
  if (scene === undefined) throw new Error(`${one} is not in this world`);
  return scene;
}

async function setScene(one: Theirs, holds: boolean): Promise<Scene> {
  const pool = poolOf(one);
  const workerId = pool === "api"
    ? "api-worker-main"
    : `gpu-20260411_101010-dddd000${numberOf(one)}`;
  const task_type = pool === "api" ? "qwen_image_edit" : "travel_segment";
  const taskId = await createTask(await createOwner(), { task_type });
  // Whom nobody rented has no pod, which is what O2 takes offence at.
  if (pool === "gpu") await spawnWorker(workerId);
  if (pool !== "api") await beat(workerId);
  if (holds) await startTask(taskId, workerId);
  const now = () => new Date(Date.now() + 31 * 60_000);
  return { workerId, taskId, now };
}

/** Everybody's move, and the other one: a job once, a word of each worker. */
export async function play(
  cast: Cast,
  order: Order,
  other: Other,
): Promise<void> {
  const writes = [];
  for (const [one, scene] of cast) {
    const write = order === "last"
      ? undefined
      : await ORCHESTRATORS[one](scene);
    if (order === "late") writes.push(write);
    if (order === "first") {
      await expectPutBack(one, scene, await write?.() ?? []);
    }
  }
  const told = [...cast.values()].slice(0, JOBS.has(other) ? 1 : undefined);
  for (const scene of told) await (await OTHERS[other](scene))();
  for (const write of writes) await write?.();
  if (order !== "last") return;
  for (const [one, scene] of cast) await (await ORCHESTRATORS[one](scene))();
}

/** It has found what it is about, and it alone has ended that start. */
async function expectPutBack(one: Theirs, { taskId }: Scene, ids: string[]) {
  if (!(one in RESET_WORDS)) return;
  expect(ids).toEqual([taskId]);
  expect(await readTask(taskId)).toMatchObject({
    status: "Queued",
    worker_id: null,
    error_message: expect.stringContaining(
      RESET_WORDS[one as keyof typeof RESET_WORDS],
    ),
  });
}

function numberOf(one: Theirs): number {
  return Object.keys(ORCHESTRATORS).indexOf(one);
}
