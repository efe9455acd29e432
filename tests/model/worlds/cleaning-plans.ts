import fc from "fast-check";
import type { Chance } from "../../support/chance.ts";
import type { Limits, Row } from "./cleaning-rule.ts";

const HOUR = 3_600e6;
const DAY = 24 * HOUR;
const STATES = ["never started", "started once", "running", "ended"] as const;
const FLAWS = [
  ...["", "", "", "no run type", "scheduled", "type switched off"],
  "no owner", // only of a task that is alone: who belongs to nobody has no kin
] as const;

/** The settings, some of them not as they ship. */
export const anyLimits: fc.Arbitrary<Limits> = fc.record({
  staleAfter: fc.constantFrom(7 * DAY, 7 * DAY, DAY, 3 * HOUR),
  dependencyGrace: fc.constantFrom(HOUR, HOUR, 10 * 60e6),
  retention: fc.constantFrom(30 * DAY, 2 * DAY, null),
});

/** Ages at the limits: a microsecond before, on them, a microsecond after. */
const anyAge = fc.record({
  limit: fc.constantFrom<keyof Limits>(
    ...["staleAfter", "dependencyGrace", "retention"] as const,
  ),
  beyond: fc.constantFrom(-1, 0, 1, 1, 40 * DAY),
});

const planned = fc.record({
  age: anyAge,
  unchangedFor: anyAge,
  state: fc.constantFrom(...STATES),
  end: fc.constantFrom("Complete", "Failed", "Cancelled"),
  flaw: fc.constantFrom(...FLAWS),
  isOrchestrator: fc.boolean(),
  dependsOn: fc.option(fc.nat(7), { freq: 2 }),
  isMissing: fc.boolean(),
  childOf: fc.option(fc.nat(7), { freq: 4 }),
});
/** A task to be written. */
export type Planned = typeof planned extends fc.Arbitrary<infer T> ? T : never;

/** Tasks to be written; their numbers point to those before them. */
export const anyPlan = fc.array(planned, { minLength: 1, maxLength: 9 });
export type Plan = typeof anyPlan extends fc.Arbitrary<infer T> ? T : never;

/** The age that is meant, under these limits. */
export function ageOf(
  { limit, beyond }: Planned["age"],
  limits: Limits,
): number {
  return Math.max(0, (limits[limit] ?? 40 * DAY) + beyond);
}

/** Limits at which some row stands, or a microsecond beside it. */
export function limitsAt(rows: readonly Row[], chance: Chance): Limits {
  const near = (ages: number[]) =>
    Math.max(1, chance.pick(ages) + chance.pick([-1, 0, 1]));
  return {
    staleAfter: near(rows.map((row) => row.age)),
    dependencyGrace: near(rows.map((row) => row.unchangedFor)),
    retention: near(rows.map((row) => row.unchangedFor)),
  };
}
