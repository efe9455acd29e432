import fc from "fast-check";
import { withoutCircles } from "./circles.ts";
import {
  isOldRow,
  type Pool,
  type Settings,
  type Task,
  type TaskType,
  type User,
  type World,
} from "./world.ts";
import { switches, switchesAre } from "../../support/fleet-words.ts";

/** The migrations' default of `stale_after`, in minutes. */
const WEEK = 7 * 24 * 60;

/** Never a whole minute: the instant of a deadline itself is not random. */
const minutes = (around: number, spread: number) =>
  fc.integer({ min: around - spread, max: around + spread })
    .map((whole) => whole + 0.5);

const userSettings = fc.oneof(
  { weight: 3, arbitrary: fc.constant(switches(true, true)) },
  fc.constant(switches(false, true)),
  fc.constant(switches(true, false)),
  fc.constantFrom(
    ...[null, {}, [], 7, "off", { ui: null }, { ui: [] }, { ui: "false" }],
    ...[switchesAre(null)],
    ...[switchesAre("cloud")],
    ...[switchesAre([false, false])],
    ...[switches("false", 0), switches(null, "no"), switches({}, [false])],
  ),
);

const anyUser: fc.Arbitrary<User> = fc.record({
  credits: fc.constantFrom(10, 10, 0.5, 0, -1),
  limit: fc.constantFrom(null, null, 3, 2, 1, 0, 7),
  settings: userSettings,
  isLate: fc.boolean(),
});

/** Free to run something, so that users have turns to take. */
const user = fc.oneof(
  anyUser.map((any) => ({ ...any, credits: 10, settings: {}, limit: null })),
  anyUser,
);

const pool: fc.Arbitrary<Pool> = fc.constantFrom("gpu", "api");

const taskTypes: fc.Arbitrary<TaskType[]> = fc.tuple(
  ...["plain", "orchestrator", "any"].map((name) =>
    fc.record({
      name: fc.constant(`random_${name}`),
      pool: name === "plain" ? fc.constant<Pool>("gpu") : pool,
      isOrchestration: fc.constant(name === "orchestrator"),
      runsOnOwnGpu: name === "orchestrator" ? fc.constant(false) : fc.boolean(),
      isActive: name === "any" ? fc.boolean() : fc.constant(true),
      before: fc.constantFrom("same", "same", "absent", "different"),
    })
  ),
);

const typeName = fc.constantFrom(
  ...["random_plain", "random_plain", "random_orchestrator", "random_any"],
  ...["unheard_of", "unheard_of_orchestrator"],
);

const settings: fc.Arbitrary<Settings> = fc.record({
  defaultLimit: fc.constantFrom(5, 2, 1, 0),
  staleAfterMinutes: fc.constantFrom(WEEK, WEEK, WEEK - 30, WEEK + 30),
  requiresCredits: fc.boolean(),
  registersOwners: fc.boolean(),
  isLate: fc.boolean(),
});

const anyTask: fc.Arbitrary<Task> = fc.record({
  owner: fc.nat(3),
  hasOwner: mostly(true, false),
  runType: fc.constantFrom("cloud", "cloud", "cloud", "local", null),
  type: typeName,
  status: fc.constantFrom(
    ...["Queued", "Queued", "Queued", "Queued"] as const,
    ...["In Progress", "Complete", "Failed", "Cancelled"] as const,
  ),
  holder: fc.constantFrom("fleet", "owner"),
  wasStarted: mostly(false, true),
  priority: fc.constantFrom(0, 0, 1, -1, 50),
  ageMinutes: fc.oneof(minutes(120, 60), minutes(WEEK, 60)),
  dueInMinutes: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    minutes(0, 60),
  ),
  dependsOn: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.nat(15) },
        fc.constant("missing" as const),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  ),
  parent: fc.oneof(
    fc.constant(null),
    fc.nat(15),
    fc.constantFrom("missing" as const, "malformed", "a number"),
  ),
  model: fc.constantFrom(null, "wan", "flow"),
  isInSameStatement: fc.boolean(),
});

/** Ready or running, so that claims have something to choose from. */
const task = fc.oneof(
  fc.record({ any: anyTask, isRunning: mostly(false, true) })
    .map(({ any, isRunning }): Task => ({
      ...any,
      hasOwner: true,
      runType: "cloud",
      status: isRunning ? "In Progress" : "Queued",
      dueInMinutes: null,
      dependsOn: [],
      ageMinutes: Math.min(any.ageMinutes, 9_000.5),
    })),
  anyTask,
);

/** Worlds of any kind that can come about. */
export const worlds: fc.Arbitrary<World> = fc.record({
  users: fc.array(user, { minLength: 1, maxLength: 4 }),
  types: taskTypes,
  tasks: fc.array(task, { maxLength: 16, size: "max" }),
  settings,
  elapsedMinutes: fc.constantFrom(0, 0, 30),
}).map(consistent);

/** Names only what exists, and only what can have been named. */
function consistent(world: World): World {
  const { users, tasks } = world;
  const writtenFirst = (index: number) => {
    const other = tasks[index];
    return other !== undefined && isOldRow(other);
  };
  return {
    ...world,
    tasks: withoutCircles(tasks.map((task, index) => ({
      ...task,
      owner: task.owner % users.length,
      holder: task.hasOwner ? task.holder : "fleet",
      dependsOn: [...new Set(task.dependsOn)].filter((id) =>
        id === "missing" || (id < tasks.length && id !== index)
      ),
      // A parent is there before its children: it enqueues them.
      parent: typeof task.parent !== "number" ||
          (isOldRow(task)
            ? writtenFirst(task.parent) && task.parent < index
            : writtenFirst(task.parent) || task.parent < index)
        ? task.parent
        : null,
    }))),
  };
}

function mostly<T>(usual: T, seldom: T): fc.Arbitrary<T> {
  return fc.constantFrom(usual, usual, usual, usual, usual, seldom);
}
