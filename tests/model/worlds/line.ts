import {
  type Caller,
  freePlaces,
  freeSlots,
  poolOf,
  type Reason,
  reasonOf,
  takesSlot,
} from "./model.ts";
import type { Task, World } from "./world.ts";

// The order of an owner's tasks, and how far in it the room goes.

/** Whether the first task goes before the second one of the same owner. */
export function isBefore(task: Task, other: Task): boolean {
  return task.priority !== other.priority
    ? task.priority > other.priority
    : task.ageMinutes > other.ageMinutes;
}

/**
 * The same for one task alone: those before it in its line take all the room
 * that its owner has left.
 */
export function reasonInLine(
  world: World,
  task: Task,
  caller: Caller,
): Reason | null {
  const reason = reasonOf(world, task, caller);
  if (reason !== null) return reason;
  const line = world.tasks.filter((other) =>
    other.status === "Queued" && other.hasOwner &&
    other.owner === task.owner && other.runType === task.runType &&
    poolOf(world, other) === poolOf(world, task) &&
    takesSlot(world, other) === takesSlot(world, task) &&
    reasonOf(world, other, caller) === null
  );
  // Of the same age, the first that was written has the lower id.
  const before = line.filter((other) =>
    isBefore(other, task) ||
    (!isBefore(task, other) &&
      world.tasks.indexOf(other) < world.tasks.indexOf(task))
  );
  const room = takesSlot(world, task)
    ? freeSlots(world, task.owner)
    : freePlaces(world, task.owner);
  return before.length >= room ? "user_at_limit" : null;
}
