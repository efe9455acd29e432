import { describe, expect, test } from "vitest";
import { planTasks } from "./tasks.ts";

describe("planTasks()", () => {
  test("makes the same tasks from the same seed, and others from another", () => {
    expect(planTasks(80, 4, 7)).toEqual(planTasks(80, 4, 7));
    expect(planTasks(80, 4, 7)).not.toEqual(planTasks(80, 4, 8));
  });

  test.each([[10, 2], [80, 4], [2000, 12]])(
    "gives each of %i tasks to one of %i users, most to the first",
    (total, users) => {
      const counts = planTasks(total, users, 1).map(({ length }) => length);
      expect(counts).toHaveLength(users);
      expect(counts.reduce((sum, count) => sum + count)).toBe(total);
      expect(Math.max(...counts)).toBe(counts[0]);
      expect(Math.min(...counts)).toBeGreaterThan(0);
    },
  );

  test("has both real payloads, and one task that always fails", () => {
    const tasks = planTasks(10, 2, 1).flat();
    expect(tasks.map(({ task_type }) => task_type))
      .toEqual(expect.arrayContaining(["travel_orchestrator", "join_clips"]));
    const doomed = tasks.filter(({ params }) =>
      JSON.stringify(params).includes('"always"')
    );
    expect(doomed).toHaveLength(1);
  });
});
