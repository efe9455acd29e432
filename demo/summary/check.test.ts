import { describe, expect, test } from "vitest";
import { Ledger } from "../ledger.ts";
import type { Person } from "../world/people.ts";
import { judge } from "./check.ts";
import type { Evidence } from "./evidence.ts";
import type { Totals } from "./totals.ts";

const EMPTY: Totals = {
  tasks: 0,
  complete: 0,
  failed: 0,
  cancelled: 0,
  generations: 0,
  owed: 0,
  kept: 0,
  endedTwice: 0,
  mostAttempts: 0,
  exhausted: 0,
  overdrawn: 0,
  putBack: 0,
  drift: 0,
};

/** One task that a user enqueued, and that worked at the first start. */
function quietRun() {
  const ledger = new Ledger();
  const start = { taskId: "task", workerId: "own-1", attempt: 1 };
  ledger.noteEnqueued(["task"]);
  ledger.startedBy.push(start);
  ledger.completedBy.set("task", [start]);
  ledger.ended.set("task", "Complete");
  ledger.generations.add("generation");
  ledger.leftOver = 0;
  const dana: Person = {
    name: "Dana",
    userId: "dana",
    projectId: "project",
    jwt: "",
    limit: 3,
  };
  return { ledger, people: [dana] };
}

const ONE_TASK: Totals = {
  ...EMPTY,
  ...{ tasks: 1, complete: 1, generations: 1, owed: 1, kept: 1 },
  mostAttempts: 1,
};

function evidence(most: number, totals: Partial<Totals> = {}): Evidence {
  return {
    totals: { ...ONE_TASK, ...totals },
    peaks: [{ userId: "dana", limit: 3, most }],
    lostSteps: [],
  };
}

function untested(found: Evidence): string[] {
  const findings = judge(quietRun(), found);
  expect(findings.filter(({ holds }) => !holds)).toEqual([]);
  return findings.filter(({ isTested }) => !isTested).map((one) => one.promise);
}

describe("judge()", () => {
  test("knows what a quiet run has not put to the test", () => {
    expect(untested(evidence(1))).toEqual([
      "no user above the limit, ever",
      "no more starts than allowed",
      "lost work is done by another",
    ]);
  });

  test("takes a limit for tested once somebody was at it", () => {
    expect(untested(evidence(3))).not.toContain(
      "no user above the limit, ever",
    );
  });

  test("takes starts for tested once a task had all of its own", () => {
    expect(untested(evidence(3, { exhausted: 1 }))).toEqual([
      "lost work is done by another",
    ]);
  });

  test("takes nothing for tested in a run without tasks", () => {
    const run = { ledger: new Ledger(), people: [] };
    run.ledger.leftOver = 0;
    const findings = judge(run, { totals: EMPTY, peaks: [], lostSteps: [] });
    expect(findings).toHaveLength(7);
    expect(findings.filter(({ isTested }) => isTested)).toEqual([]);
  });

  test("knows that a task which was lost twice was done by the third", () => {
    const run = quietRun();
    run.ledger.lostStart = { taskId: "a", workerId: "cloud-2", attempt: 2 };
    run.ledger.completedBy.set("a", [
      { taskId: "a", workerId: "cloud-3", attempt: 3 },
    ]);
    const lostSteps = [
      { to: "In Progress", workerId: "cloud-1", attempt: 1 },
      { to: "Queued", workerId: null, attempt: 1 },
      { to: "In Progress", workerId: "cloud-2", attempt: 2 },
      { to: "Queued", workerId: null, attempt: 2 },
      { to: "In Progress", workerId: "cloud-3", attempt: 3 },
      { to: "Complete", workerId: "cloud-3", attempt: 3 },
    ];
    const broken = (steps: typeof lostSteps) =>
      judge(run, { ...evidence(3), lostSteps: steps })
        .filter(({ holds }) => !holds).map((one) => one.promise);
    expect(broken(lostSteps)).toEqual([]);
    expect(broken(lostSteps.filter(({ workerId }) => workerId !== "cloud-2")))
      .toEqual(["lost work is done by another"]);
  });

  test("knows the machine of a user who did what the cloud had lost", () => {
    const run = quietRun();
    run.ledger.lostStart = { taskId: "a", workerId: "cloud-1", attempt: 1 };
    run.ledger.completedBy.set("a", [
      { taskId: "a", workerId: "anas-pc", attempt: 2 },
    ]);
    const broken = (name: string) => {
      const lostSteps = [
        { to: "In Progress", workerId: "cloud-1", attempt: 1 },
        { to: "Queued", workerId: null, attempt: 1 },
        { to: "In Progress", workerId: name, attempt: 2 },
        { to: "Complete", workerId: name, attempt: 2 },
      ];
      return judge(run, { ...evidence(2), lostSteps })
        .filter(({ holds }) => !holds).map((one) => one.promise);
    };
    expect(broken("token:0a1b2c3d-0000-4000-8000-000000000001:anas-pc"))
      .toEqual([]);
    expect(broken("token:0a1b2c3d-0000-4000-8000-000000000001:bens-pc"))
      .toEqual(["lost work is done by another"]);
  });

  test("does not excuse what is wrong: work requeued, and nobody died", () => {
    const findings = judge(quietRun(), evidence(1, { putBack: 1 }));
    expect(findings.filter(({ holds }) => !holds).map((one) => one.promise))
      .toEqual(["lost work is done by another"]);
  });
});
