import { claim } from "./claiming.ts";
import {
  type Claim,
  type Command,
  type Enqueue,
  meant,
  parentOf,
  type Report,
  type TaskRef,
} from "./commands.ts";
import type { Status } from "./worlds/world.ts";
import { complete, end, putBack, settle } from "./endings.ts";
import { enqueue } from "./enqueuing.ts";
import { remove, requeue } from "./parts.ts";
import { beat, runJob, setWorker } from "./recovering.ts";
import { report } from "./reporting.ts";
import { isLive, type State, type Task } from "./state.ts";

/** A command with what its references mean in its place of the run. */
export interface Step {
  readonly index: number;
  readonly command: Command;
  /** How many tasks were enqueued before. */
  readonly known: number;
  readonly parent: number | null;
}

/** The steps of a run. */
export function stepsOf(commands: readonly Command[]): Step[] {
  const enqueued: Enqueue[] = [];
  return commands.map((command, index) => {
    const isNew = command.do === "enqueue";
    const parent = isNew ? parentOf(command, enqueued) : null;
    const known = enqueued.length;
    if (isNew) enqueued.push(command);
    return { index, command, known, parent };
  });
}

/** The result that a completion in this step reports. */
export function outputOf({ index }: Step): string {
  return `out-${index}`;
}

/**
 * What the step does to the queue, and the answer that it should get; undefined
 * where the answer does not matter.
 */
export function takeStep(state: State, step: Step, answer: unknown): unknown {
  const { command, known, parent } = step;
  state.letGo = [];
  // What a worker says, or claims instead, it says of its own start.
  state.areOver = "by" in command && command.by === "service"
    ? "but cancelled"
    : "none";
  state.isByHand = ["delete", "patch", "set worker", "beat"]
    .includes(command.do) || (command.do === "enqueue" && command.key === null);
  const named = (refs: readonly TaskRef[]): Task[] => [
    ...new Set(refs.flatMap((ref) => taskMeant(state, ref, known) ?? [])),
  ];
  switch (command.do) {
    case "enqueue":
      return enqueue(state, command, {
        id: known,
        dependsOn: meant(command.dependsOn, known),
        parent,
      });
    case "claim":
      return claim(state, command satisfies Claim, answer);
    case "delete":
      return named([command.task]).forEach((task) => remove(state, task));
    case "patch":
      return patch(state, step, named(command.tasks), command.to);
    case "requeue":
      return requeueAll(state, named(command.tasks));
    case "beat":
      return beat(
        state,
        command,
        command.naming === null
          ? null
          : taskMeant(state, command.naming, known)?.id ?? null,
      );
    case "set worker":
      return setWorker(state, command);
    case "set limit":
      state.limits[command.owner] = command.to;
      return;
    case "fail siblings":
      state.failsSiblings = command.to;
      return;
    case "tick":
      state.now += command.seconds;
      return;
    case "rescue":
    case "sweep":
    case "cleanup":
    case "mend families":
      return runJob(state, command.do);
    default:
      return report(
        state,
        command satisfies Report,
        taskMeant(state, command.task, known),
        outputOf(step),
      );
  }
}

/** pg_temp.nth says the same in SQL. */
function taskMeant(
  state: State,
  ref: TaskRef,
  known: number,
): Task | undefined {
  if (typeof ref === "number") {
    return state.tasks.get(meant(ref, known) ?? -1);
  }
  const [place, statuses] = "running" in ref
    ? [ref.running, ["In Progress"]]
    : [ref.lost, ["Failed", "Cancelled"]];
  const some = [...state.tasks.values()]
    .filter(({ status }) => statuses.includes(status));
  return some[meant(place, some.length) ?? -1];
}

/** Rows that may not change so are left as they are. */
function patch(
  state: State,
  step: Step,
  tasks: readonly Task[],
  to: Status,
): void {
  const moved = tasks.filter(isLive).flatMap((task) => {
    const hasStarted = task.claimedAt !== null;
    if (to === "Queued") return putBack(state, task);
    if (to === "Failed" || to === "Cancelled") return end(state, task, to);
    if (to === "Complete") {
      return hasStarted ? complete(state, task, outputOf(step)) : [];
    }
    if (task.status === "In Progress") task.updatedAt = state.now;
    return [];
  });
  settle(state, moved);
}

/** Dead letters only. */
function requeueAll(state: State, tasks: readonly Task[]): void {
  const dead = tasks.filter(({ status }) =>
    status === "Failed" || status === "Cancelled"
  );
  for (const task of dead) {
    requeue(state, task, true);
    task.dueAt = null;
  }
  settle(state, dead.map((task) => ({ task, to: "Queued" as const })));
}
