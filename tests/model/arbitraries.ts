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
  ...["segment", "segment", "segment", "segment", "stitch"] as const,
  ...["orchestrator", "image", "fragile"] as const,
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
  ...["fail, try again", "report progress", "report progress"] as const,
  ...["report progress", "hand back", "cancel"] as const,
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
  isLast: fc.constantFrom(false, false, false, false, false, true),
});

const rare: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ do: fc.constant("delete" as const), task }),
  fc.record({
    do: fc.constant("patch" as const),
    tasks: fc.array(task, { minLength: 1, maxLength: 3 }),
    to: fc.constantFrom(
      ...["Queued", "Queued", "Queued", "Queued", "Complete"] as const,
      ...["Failed", "Cancelled", "In Progress"] as const,
    ),
  }),
  fc.record({
    do: fc.constant("requeue" as const),
    tasks: fc.array(fc.oneof(lost, lost, task), { minLength: 1, maxLength: 3 }),
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
    do: fc.constantFrom("sweep", "cleanup", "mend families"),
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
  { weight: 1, arbitrary: fc.record({ do: fc.constant("rescue" as const) }) },
  { weight: 3, arbitrary: rare },
);

const OPENING = 8;

/**
 * Runs of commands. Any command may follow any other: all have an answer. The
 * first ones enqueue, so that there is something to claim.
 */
export const runs: fc.Arbitrary<Command[]> = fc.tuple(
  fc.array(enqueueOf(["orchestrator"]), { maxLength: 1 }),
  fc.array(enqueue, { maxLength: OPENING - 1, size: "max" }),
  fc.array(anything, { maxLength: MAX_COMMANDS - OPENING, size: "max" }),
).map((parts) => parts.flat());
