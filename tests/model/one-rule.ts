import {
  activeCount,
  blocked,
  type Caller,
  claimable,
  claimableCount,
  reasonOf,
  running,
  turnLoad,
} from "./worlds/model.ts";
import type { World } from "./worlds/world.ts";
import { apart } from "./holding.ts";
import { KINDS } from "./kinds.ts";
import { STALE_AFTER } from "./numbers.ts";
import type { State, Task } from "./state.ts";

// The one rule itself is worlds/model.ts: the state as a world of it.

/** What counts say of one pool. */
export interface Counts {
  readonly claimable: number;
  readonly active: number;
  readonly blocked: Readonly<Record<string, number>>;
}

/** What counts have to say to this caller. */
export function countsFor(state: State, caller: Caller): Counts {
  const { world } = asWorld(state);
  return {
    claimable: claimableCount(world, caller),
    active: activeCount(world, caller),
    blocked: blocked(world, caller),
  };
}

/** The tasks that a claim may hand out: heads of the lines whose turn it is. */
export function next(state: State, caller: Caller): Task[] {
  const { world, tasks } = asWorld(state);
  const free = claimable(world, caller).flatMap((task) =>
    tasks[world.tasks.indexOf(task)] ?? []
  );
  const fewest = Math.min(...free.map(({ owner }) => turnLoad(world, owner)));
  return free.filter((task) =>
    turnLoad(world, task.owner) === fewest &&
    !free.some((other) => other.owner === task.owner && goesFirst(other, task))
  );
}

/** Tasks of this user that run and take a slot. */
export function runningOf(state: State, owner: number): number {
  return running(asWorld(state).world, owner);
}

/**
 * Where a task stands, whoever its owner is: active, ready or why it waits; null
 * once it has ended.
 */
export function standingOf(state: State, task: Task): string | null {
  if (task.status === "In Progress") return "active";
  if (task.status !== "Queued") return null;
  const { world, tasks } = asWorld(state);
  const found = world.tasks[tasks.indexOf(task)];
  const users = world.users.map((user) => ({ ...user, limit: Infinity }));
  return found === undefined
    ? null
    : reasonOf({ ...world, users }, found, { owner: null, pool: null }) ??
      "ready";
}

/** Whether it goes first in their owner's line. */
function goesFirst(task: Task, other: Task): boolean {
  return (other.priority - task.priority || task.createdAt - other.createdAt ||
    task.id - other.id) < 0;
}

function minutesSince(state: State, at: number | null): number | null {
  return at === null ? null : (state.now - at) / 60;
}

function asWorld(state: State): { world: World; tasks: Task[] } {
  const tasks = [...state.tasks.values()];
  const place = new Map(tasks.map((task, index) => [task.id, index]));
  const world: World = {
    users: state.limits.map((limit, owner) => ({
      apart: apart(state, owner),
      credits: 1,
      limit,
      settings: {},
      isLate: false,
    })),
    types: Object.values(KINDS).map(({ takesSlot, ...kind }) => ({
      name: kind.type,
      runsOnOwnGpu: kind.runsOnOwnGpu,
      before: "same",
      pool: kind.pool,
      isOrchestration: !takesSlot,
      isActive: true,
    })),
    tasks: tasks.map((task) => ({
      owner: task.owner,
      hasOwner: true,
      runType: task.isLocal ? "local" : "cloud",
      type: KINDS[task.kind].type,
      status: task.status,
      holder: task.token === null ? "fleet" : "owner",
      isHandedOver: task.isHandedOver,
      wasStarted: task.attempts > 0 || task.claimedAt !== null,
      priority: task.priority,
      ageMinutes: (state.now - task.createdAt) / 60,
      dueInMinutes: task.dueAt === null ? null : (task.dueAt - state.now) / 60,
      completeMinutesAgo: minutesSince(state, task.completeAt),
      putBackMinutesAgo: minutesSince(state, task.putBackAt),
      dependsOn: task.dependsOn.map((id) => place.get(id) ?? "missing"),
      parent: task.parent === null ? null : place.get(task.parent) ?? "missing",
      model: null,
      isInSameStatement: false,
    })),
    settings: {
      defaultLimit: 5,
      staleAfterMinutes: STALE_AFTER / 60,
      requiresCredits: true,
      registersOwners: false,
      isLate: false,
    },
    elapsedMinutes: 0,
  };
  return { world, tasks };
}
