import type { Pool, Task, TaskType, User, World } from "./world.ts";
import { switchOf } from "../../support/fleet-words.ts";
import { isGuest } from "../../support/profile.ts";

// When a task may run, as the rules say it in words: no SQL, no counters,
// everything asked anew each time.

/** Who asks: the fleet, or the machine of one user; about one pool or both. */
export interface Caller {
  readonly owner: number | null;
  readonly pool: Pool | null;
}

/** Why a queued task waits. */
export type Reason =
  | "no_owner"
  | "no_run_type"
  | "type_inactive"
  | "not_yet"
  | "dependency_pending"
  | "dependency_lost"
  | "no_credits"
  | "cloud_disabled"
  | "local_disabled"
  | "user_at_limit"
  | "stale";

/** The one reason why a queued task may not run, the first that applies. */
export function reasonOf(
  world: World,
  task: Task,
  caller: Caller,
): Reason | null {
  const owner = ownerOf(world, task);
  if (owner === null) return "no_owner";
  if (task.runType === null) return "no_run_type";
  if (typeOf(world, task)?.isActive === false) return "type_inactive";
  if ((task.dueInMinutes ?? 0) > 0) return "not_yet";

  const dependencies = task.dependsOn.map((id) => dependency(world, task, id));
  if (dependencies.includes("pending")) return "dependency_pending";
  if (dependencies.includes("lost")) return "dependency_lost";

  if (caller.owner === null) {
    if (world.settings.requiresCredits && owner.credits <= 0) {
      return "no_credits";
    }
    if (!isOn(owner, "cloud")) return "cloud_disabled";
  } else if (!isOn(owner, "local")) return "local_disabled";
  if (freeSlots(world, task.owner) === 0) return "user_at_limit";
  if (!takesSlot(world, task) && freePlaces(world, task.owner) === 0) {
    return "user_at_limit";
  }

  return isStale(world, task) ? "stale" : null;
}

/** Queued tasks that this caller could claim now, any of them. */
export function claimable(world: World, caller: Caller): Task[] {
  return concerning(world, caller).filter((task) =>
    task.status === "Queued" && reasonOf(world, task, caller) === null
  );
}

/** How many of them: of each kind as many as its owner has room for. */
export function claimableCount(world: World, caller: Caller): number {
  return claimable(world, caller).length - crowdedOut(world, caller);
}

/** Queued tasks that may not run, per reason. */
export function blocked(
  world: World,
  caller: Caller,
): Partial<Record<Reason, number>> {
  const counts: Partial<Record<Reason, number>> = {};
  const count = (reason: Reason, tasks: number) => {
    if (tasks > 0) counts[reason] = (counts[reason] ?? 0) + tasks;
  };
  for (const task of concerning(world, caller)) {
    if (task.status !== "Queued") continue;
    const reason = reasonOf(world, task, caller);
    if (reason !== null) count(reason, 1);
  }
  count("user_at_limit", crowdedOut(world, caller));
  return counts;
}

/** Tasks In Progress that take a slot and that this caller sees. */
export function activeCount(world: World, caller: Caller): number {
  return world.tasks.filter((task) =>
    task.status === "In Progress" && takesSlot(world, task) &&
    ownerOf(world, task) !== null && isInPool(world, task, caller) &&
    (caller.owner === null
      ? task.holder === "fleet"
      : task.owner === caller.owner)
  ).length;
}

/**
 * Tasks of a user that run now and take a slot, whoever holds them, and slots
 * that are held after others have ended a start.
 */
export function running(world: World, user: number): number {
  return world.tasks.filter((task) =>
    task.status === "In Progress" && task.hasOwner && task.owner === user &&
    takesSlot(world, task)
  ).length + (world.users[user]?.apart?.slots ?? 0);
}

/** Orchestration tasks of a user that need a worker, likewise. */
export function orchestrating(world: World, user: number): number {
  return world.tasks.filter((task) =>
    task.status === "In Progress" && task.hasOwner && task.owner === user &&
    !takesSlot(world, task) && !task.isHandedOver
  ).length + (world.users[user]?.apart?.places ?? 0);
}

/** What counts when it is asked whose turn it is: the fewest are first. */
export function turnLoad(world: World, user: number): number {
  return running(world, user) + orchestrating(world, user) +
    (world.users[user]?.apart?.remembered ?? 0);
}

/** Claimable one by one, but more than slots are free. */
function crowdedOut(world: World, caller: Caller): number {
  const tasks = claimable(world, caller);
  const surplus = (user: number, kind: boolean, room: number) =>
    Math.max(
      tasks.filter((task) =>
        task.owner === user && takesSlot(world, task) === kind
      ).length - room,
      0,
    );
  return world.users.map((_, user) =>
    surplus(user, true, freeSlots(world, user)) +
    surplus(user, false, freePlaces(world, user))
  ).reduce((sum, more) => sum + more, 0);
}

/** The fleet sees all but local tasks, a user all of their own. */
function concerning(world: World, caller: Caller): Task[] {
  return world.tasks.filter((task) =>
    isInPool(world, task, caller) &&
    (caller.owner === null
      ? task.runType !== "local"
      : task.hasOwner && task.owner === caller.owner)
  );
}

function isInPool(world: World, task: Task, caller: Caller): boolean {
  // What runs keeps what it was handed out as, whatever becomes of its type.
  const type = (task.status === "In Progress" ? task.startedAs : undefined) ??
    typeOf(world, task);
  return caller.pool === null || caller.pool === (type?.pool ?? "gpu") ||
    (caller.pool === "gpu" && caller.owner !== null &&
      type?.runsOnOwnGpu === true);
}

function dependency(
  world: World,
  task: Task,
  id: number | "missing",
): "met" | "pending" | "lost" {
  const other = id === "missing" ? undefined : world.tasks[id];
  const isOwn = other?.hasOwner && other.owner === task.owner;
  if (other === undefined || !isOwn) return "lost";
  if (other.status === "Complete") return "met";
  return isLive(other) ? "pending" : "lost";
}

function isStale(world: World, task: Task): boolean {
  const parent = typeof task.parent === "number"
    ? world.tasks[task.parent]
    : undefined;
  return !task.wasStarted &&
    waitingMinutes(world, task) > world.settings.staleAfterMinutes &&
    !(parent !== undefined && isLive(parent));
}

/** Since when it could run: enqueued, due, and nothing left to wait for. */
function waitingMinutes(world: World, task: Task): number {
  return Math.min(
    task.ageMinutes,
    task.dueInMinutes === null ? Infinity : -task.dueInMinutes,
    task.putBackMinutesAgo ?? Infinity,
    ...task.dependsOn
      .filter((id) => dependency(world, task, id) === "met")
      // All tasks of a world are there before the first of them ends.
      .map((id) =>
        (id === "missing" ? undefined : world.tasks[id]?.completeMinutesAgo) ??
          world.elapsedMinutes
      ),
  );
}

function isLive(task: Task): boolean {
  return task.status === "Queued" || task.status === "In Progress";
}

/** Only a plain `false` switches off. */
function isOn(user: User, which: "cloud" | "local"): boolean {
  return switchOf(user.settings, which) !== false;
}

export function freeSlots(world: World, user: number): number {
  const limit = world.users[user]?.limit ?? world.settings.defaultLimit;
  return Math.max(limit - running(world, user), 0);
}

/** Orchestration has as many places as its owner has slots. */
export function freePlaces(world: World, user: number): number {
  const limit = world.users[user]?.limit ?? world.settings.defaultLimit;
  return Math.max(limit - orchestrating(world, user), 0);
}

/** Whether a task counts against its owner's limit; the fleet's without a row by name. */
export function takesSlot(world: World, task: Task): boolean {
  const byName = !isGuest && task.type.endsWith("_orchestrator");
  return !(typeOf(world, task)?.isOrchestration ?? byName);
}

export function poolOf(world: World, task: Task): Pool {
  return typeOf(world, task)?.pool ?? "gpu";
}

function typeOf(world: World, task: Task): TaskType | undefined {
  return world.types.find((type) => type.name === task.type);
}

function ownerOf(world: World, task: Task): User | null {
  return (task.hasOwner ? world.users[task.owner] : undefined) ?? null;
}
