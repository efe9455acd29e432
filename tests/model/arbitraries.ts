import fc from "fast-check";
import type { Command, Kind, Saying, Speaker } from "./commands.ts";
import { OWNERS, TICKS } from "./numbers.ts";

/** Up to so many commands make a run. */
const MAX_COMMANDS = 60;

const place = fc.nat(11);
const running = fc.record({ running: fc.nat(3) });
const lost = fc.record({ lost: fc.nat(3) });
const task = fc.oneof(place, running);
const owner = fc.nat(OWNERS - 1);
const worker = fc.nat(2);
const seldom = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary },
  );

/** Mostly the fleet, sometimes a user's machine. */
const speaker = fc.constantFrom<Speaker>(
  ...["service", "service", "service", "service", 0, 0, 1] as const,
);

const enqueueOf = (kinds: readonly Kind[]): fc.Arbitrary<Command> =>
  fc.record({
    do: fc.constant("enqueue" as const),
    owner: fc.constantFrom(0, 0, 0, 1),
    kind: fc.constantFrom(...kinds),
    isLocal: fc.constantFrom(false, false, false, false, true),
    priority: fc.constantFrom(0, 0, 1),
    isOld: fc.constantFrom(false, false, false, false, false, true),
    dueIn: fc.constantFrom(null, null, null, null, 45, 615),
    dependsOn: seldom(place),
    parent: fc.option(fc.nat(1), { nil: null, freq: 3 }),
    part: fc.constantFrom(1, 1, 0, 2),
    key: fc.constantFrom(null, null, null, null, 0, 1),
  });

const enqueue = enqueueOf([
  ...["part", "part", "part", "part", "final"] as const,
  ...["orchestrator", "orchestrator", "image", "fragile"] as const,
]);

const claim: fc.Arbitrary<Command> = fc.record({
  do: fc.constant("claim" as const),
  by: speaker,
  worker,
  pool: fc.constantFrom("gpu", "gpu", "gpu", "api"),
  claimId: seldom(fc.nat(2)),
});

const saying: fc.Arbitrary<Saying> = fc.constantFrom(
  ...["complete", "complete", "complete", "fail", "fail, try again"] as const,
  ...["fail, try again", "fail, once more", "report progress"] as const,
  ...["report progress", "report progress", "hand back", "cancel"] as const,
);

const report: fc.Arbitrary<Command> = fc.record({
  do: saying,
  task: fc.oneof(running, running, place),
  by: speaker,
  lease: fc.constantFrom(
    ...["none", "none", "none", "current", "current", "current"] as const,
    ...["former", "foreign"] as const,
  ),
});

const beat: fc.Arbitrary<Command> = fc.record({
  do: fc.constant("beat" as const),
  worker,
  naming: fc.option(task, { nil: null }),
  says: fc.constantFrom(
    ...["active", "active", "active", "active", "active"] as const,
    ...["crashed", "terminated"] as const,
  ),
});

const deletion: fc.Arbitrary<Command> = fc.record({
  do: fc.constant("delete" as const),
  task,
});

const requeue: fc.Arbitrary<Command> = fc.record({
  do: fc.constant("requeue" as const),
  tasks: fc.array(fc.oneof(lost, lost, task), { minLength: 1, maxLength: 3 }),
});

const job: fc.Arbitrary<Command> = fc.record({
  do: fc.constantFrom("sweep", "cleanup", "mend families"),
});

const rescue: fc.Arbitrary<Command> = fc.record({
  do: fc.constant("rescue" as const),
});

const rare: fc.Arbitrary<Command> = fc.oneof(
  deletion,
  requeue,
  job,
  fc.record({
    do: fc.constant("patch" as const),
    tasks: fc.array(task, { minLength: 1, maxLength: 3 }),
    to: fc.constantFrom(
      ...["Queued", "Queued", "Queued", "Queued", "Complete"] as const,
      ...["Failed", "Cancelled", "In Progress"] as const,
    ),
  }),
  fc.record({
    do: fc.constant("set worker" as const),
    worker,
    to: fc.constantFrom(
      ...["active", "active", "active", "active"] as const,
      ...["terminating", "terminated", "error"] as const,
    ),
  }),
  fc.record({
    do: fc.constant("set limit" as const),
    owner,
    to: fc.constantFrom(2, 4, 3, 1, 0),
  }),
  fc.record({
    do: fc.constant("fail siblings" as const),
    to: fc.boolean(),
  }),
);

const tick: fc.Arbitrary<Command> = fc.record({
  do: fc.constant("tick" as const),
  seconds: fc.constantFrom(30, 30, 30, 90, 90, ...TICKS),
});

const anything: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: enqueue },
  { weight: 8, arbitrary: claim },
  { weight: 8, arbitrary: report },
  { weight: 2, arbitrary: beat },
  { weight: 2, arbitrary: tick },
  { weight: 1, arbitrary: rescue },
  { weight: 3, arbitrary: rare },
);

/** A child of the first task, or one that may be. */
const child: fc.Arbitrary<Command> = fc.tuple(
  enqueueOf(["part", "part", "final"]),
  fc.record({
    owner: fc.constant(0),
    parent: fc.constantFrom(0, 0, 0, 0, null),
    part: fc.nat(1),
    dependsOn: fc.option(fc.nat(5), { nil: null, freq: 1 }),
  }),
).map(([any, family]) => ({ ...any, ...family }));

const inFamily: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: child },
  { weight: 6, arbitrary: claim },
  { weight: 8, arbitrary: report },
  { weight: 2, arbitrary: deletion },
  { weight: 2, arbitrary: requeue },
  { weight: 3, arbitrary: job },
  { weight: 3, arbitrary: anything },
);

const OPENING = 8;

/** The first ones enqueue, so that there is something to claim. */
function runsOf(
  opening: readonly Command[],
  first: fc.Arbitrary<Command>,
  rest: fc.Arbitrary<Command>,
): fc.Arbitrary<Command[]> {
  return fc.tuple(
    fc.constant(opening),
    fc.array(first, { maxLength: OPENING - opening.length, size: "max" }),
    fc.array(rest, { maxLength: MAX_COMMANDS - OPENING, size: "max" }),
  ).map((parts) => parts.flat());
}

const parent: Command = {
  do: "enqueue",
  owner: 0,
  kind: "orchestrator",
  isLocal: false,
  priority: 0,
  isOld: false,
  dueIn: null,
  dependsOn: null,
  parent: null,
  part: 2,
  key: null,
};

/**
 * Runs of commands; a third of them about one family. Any command may follow any
 * other: all have an answer.
 */
export const runs: fc.Arbitrary<Command[]> = fc.oneof(
  { weight: 2, arbitrary: runsOf([], enqueue, anything) },
  { weight: 1, arbitrary: runsOf([parent], child, inFamily) },
);
