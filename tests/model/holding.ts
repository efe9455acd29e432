import { KINDS } from "./kinds.ts";
import {
  API_SILENCE,
  GPU_SILENCE,
  HELD_LIMIT,
  TURN_MEMORY,
} from "./numbers.ts";
import type { Held, State, Task } from "./state.ts";

// A machine may be at work on what others have ended: its slot is not free yet.

const ENDED = ["terminated", "error", "crashed"];

/** Before a task leaves In Progress: it is held if its holder did not end it. */
export function hold(state: State, task: Task): void {
  if (
    task.status !== "In Progress" || task.worker === null || state.isByHand ||
    state.letGo.includes(task.id) || task.isHandedOver ||
    (task.token === null && hasEnded(state, task.worker))
  ) return;
  const { takesSlot, pool } = KINDS[task.kind];
  state.held.push({
    task: task.id,
    owner: task.owner,
    takesSlot,
    pool,
    worker: task.worker,
    token: task.token,
    since: state.now,
    until: state.now + HELD_LIMIT,
    isLetGo: false,
  });
}

/** Its holder has let go of each of these. */
export function letGo(state: State, which: (held: Held) => boolean): void {
  for (const held of state.held) {
    if (held.isLetGo || !which(held)) continue;
    held.isLetGo = true;
    held.until = Math.min(held.until, state.now + TURN_MEMORY);
  }
}

/** What time alone frees. */
export function freeHeld(state: State): void {
  state.held = state.held.filter(({ until }) => until > state.now);
  letGo(
    state,
    ({ token, worker, pool, since }) =>
      token === null && (hasEnded(state, worker) ||
        Math.max(since, state.workers.get(worker)?.lastBeat ?? since) <
          state.now - (pool === "gpu" ? GPU_SILENCE : API_SILENCE)),
  );
}

/** What a user's starts count for beside the tasks that run. */
export function apart(
  state: State,
  owner: number,
): Record<"slots" | "places" | "remembered", number> {
  const own = state.held.filter((held) => held.owner === owner);
  const held = own.filter(({ isLetGo }) => !isLetGo);
  const slots = held.filter(({ takesSlot }) => takesSlot).length;
  return {
    slots,
    places: held.length - slots,
    remembered: own.length - held.length,
  };
}

function hasEnded(state: State, worker: string): boolean {
  return ENDED.includes(state.workers.get(worker)?.status ?? "");
}
