import type { Enqueue } from "./commands.ts";
import { end, judge, settle } from "./endings.ts";
import { OLD_AGE } from "./numbers.ts";
import { takePart } from "./parts.ts";
import { isLive, type State, type Task } from "./state.ts";

/** The places that the references of a new task mean. */
export interface Named {
  readonly id: number;
  readonly dependsOn: number | null;
  readonly parent: number | null;
}

/** Enqueues a task; a key that is used already stands for its task. */
export function enqueue(
  state: State,
  command: Enqueue,
  { id, dependsOn, parent }: Named,
): void {
  const { owner, key, kind } = command;
  const isRepeat = key !== null && [...state.tasks.values()]
    .some((task) => task.owner === owner && task.key === key);
  if (isRepeat) return;

  const task: Task = {
    id,
    owner,
    kind,
    isLocal: command.isLocal,
    priority: command.priority,
    createdAt: state.now - (command.isOld ? OLD_AGE : 0),
    parent,
    part: parent === null ? null : partOf(command),
    announces: announcedBy(command),
    key,
    dueAt: command.dueIn === null ? null : state.now + command.dueIn,
    completeAt: null,
    putBackAt: null,
    dependsOn: dependsOn === null ? [] : [dependsOn],
    status: "Queued",
    attempts: 0,
    maxAttempts: null,
    worker: null,
    token: null,
    lastStart: null,
    claimId: null,
    hasLease: false,
    claimedAt: null,
    isDelivered: false,
    reportedAt: null,
    updatedAt: state.now - (command.isOld ? OLD_AGE : 0),
    holders: new Set(),
    startsOf: new Map(),
    lostStarts: new Map(),
    freeReturns: 0,
    claimRepeats: 0,
    isHandedOver: false,
    output: null,
    generation: undefined,
    replacedBy: null,
  };
  state.tasks.set(id, task);
  joinFamily(state, task);
}

/** A final child is the only one of its kind; only parts are numbered. */
function partOf({ kind, part }: Enqueue): number | null {
  if (kind === "final") return 0;
  return kind === "part" ? part : null;
}

/** The number doubles as what an orchestrator announces; 0 = nothing. */
export function announcedBy({ kind, part }: Enqueue): number | null {
  return kind === "orchestrator" && part > 0 ? part : null;
}

function joinFamily(state: State, task: Task): void {
  const parent = state.tasks.get(task.parent ?? -1);
  if (parent === undefined) return;
  const family = state.families.get(parent.id);
  if (family === undefined) {
    state.families.set(parent.id, {
      enqueuedAttempt: null,
      changedAt: state.now,
    });
  } else family.changedAt = state.now;

  takePart(state, task);
  const isTooLate = parent.status === "Cancelled" ||
    (parent.status === "Failed" && state.failsSiblings);
  if (isTooLate && task.replacedBy === null && isLive(task)) {
    settle(state, [
      end(state, task, parent.status === "Failed" ? "Failed" : "Cancelled"),
    ]);
  }
  judge(state, parent);
}
