import type { Task } from "./world.ts";

/** The same tasks without those dependencies that would close a circle. */
export function withoutCircles(tasks: readonly Task[]): Task[] {
  const free: Task[] = tasks.map((task) => ({ ...task, dependsOn: [] }));
  for (const [index, { dependsOn }] of tasks.entries()) {
    for (const id of dependsOn) {
      const task = free[index];
      if (
        task === undefined || (id !== "missing" && reaches(free, id, index))
      ) {
        continue;
      }
      free[index] = { ...task, dependsOn: [...task.dependsOn, id] };
    }
  }
  return free;
}

/** Whether one task waits for another, in any number of steps. */
function reaches(tasks: readonly Task[], from: number, to: number): boolean {
  return from === to ||
    (tasks[from]?.dependsOn ?? []).some((id) =>
      id !== "missing" && reaches(tasks, id, to)
    );
}
