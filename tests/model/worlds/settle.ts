import {
  type Started,
  type Status,
  type Task,
  typeBefore,
  type World,
} from "./world.ts";

/**
 * What a world has become once it is written: tasks end in the order of
 * `write-tasks.ts`, first those that fail, and take others along.
 */
export function settled(world: World): World {
  const before = world.tasks.map(({ status }): Status =>
    status === "Failed" || status === "Cancelled" ? "Queued" : status
  );
  const afterFailures = ended(world, before, "Failed");
  const statuses = ended(world, afterFailures, "Cancelled");
  return {
    ...world,
    tasks: world.tasks.map((task, index) => ({
      ...task,
      status: statuses[index] ?? task.status,
      ...(task.status === "In Progress" && {
        startedAs: typeAtTheStart(world, task),
      }),
    })),
  };
}

/** What a task's type was when the tasks were written; what runs stays that. */
function typeAtTheStart({ types }: World, task: Task): Started {
  const type = types.find(({ name }) => name === task.type);
  if (type === undefined || type.before === "absent") {
    return { pool: "gpu", runsOnOwnGpu: false };
  }
  return typeBefore(type);
}

/** Ends the tasks that were to end so, and whatever goes with them. */
function ended(
  { tasks }: World,
  statuses: readonly Status[],
  end: "Failed" | "Cancelled",
): Status[] {
  const after = [...statuses];
  const ending = tasks.flatMap((task, index) =>
    task.status === end && after[index] === "Queued" ? [index] : []
  );
  for (const index of ending) after[index] = end;
  for (let index = ending.pop(); index !== undefined; index = ending.pop()) {
    for (const [other, task] of tasks.entries()) {
      if (!goesWith(task, after[other], tasks, index, end)) continue;
      after[other] = end;
      ending.push(other);
    }
  }
  return after;
}

/**
 * Whether a task ends with the one at this place: it waits for it, or is a part
 * of it; of the parts of one that fails, those that run finish. (None of these
 * orchestrators has announced anything, so their children end nothing.)
 */
function goesWith(
  task: Task,
  status: Status | undefined,
  tasks: readonly Task[],
  index: number,
  end: "Failed" | "Cancelled",
): boolean {
  const cause = tasks[index];
  if (!task.hasOwner || !cause?.hasOwner || task.owner !== cause.owner) {
    return false;
  }
  const isChild = task.parent === index;
  if (status === "Queued") return isChild || task.dependsOn.includes(index);
  return isChild && end === "Cancelled" && status === "In Progress";
}
