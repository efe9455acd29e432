/**
 * Machines that were started without a name: until 11 February they all send
 * one fixed id, since then `local-worker`. With a token they may send none.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { beatBody, curl, sayGoodbye } from "../support/beats.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { stack } from "../support/stack.ts";
import { createTasks } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";
import { claimOfApril, claimOfMarch, taskOf } from "./clients/claims.ts";
import { type Answer, Wire } from "./clients/wire.ts";

const BEAT = "func_worker_heartbeat_with_logs";

/** What such a machine sends, from when on. */
const CLAIMS: readonly (readonly [string, (wire: Wire) => Promise<Answer>])[] =
  [
    [
      "before 12 February",
      (wire) => claimOfMarch(wire, "gpu-20250723_221138-afa8403b"),
    ],
    ["from 12 February", (wire) => claimOfMarch(wire, "local-worker")],
    ["from 30 March", (wire) => claimOfApril(wire, "local-worker")],
  ];

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});
afterEach(resetClock);

describe.each(CLAIMS)("machines without a name, %s,", (_, claim) => {
  it.each(["the service key", "one token"])(
    "with %s never get each other's task",
    async (key) => {
      const wire = await wireWith(key);
      const tasks = await createTasks(owner, 4);
      // One after the other, two at once, and one whose reply is never read.
      const got = [await claim(wire), await claim(wire)];
      got.push(...await Promise.all([claim(wire), claim(wire)]));
      expect(got.map(taskOf).toSorted()).toEqual(tasks.toSorted());

      expect((await claim(wire)).status).toBe(204);
      for (const task of tasks) {
        expect(await readTask(task)).toMatchObject({
          status: "In Progress",
          attempts: 1,
        });
      }
      expect(await counterDrift()).toEqual([]);
    },
  );
});

describe("machines without a name", () => {
  it("may send none with a token, and get a task each", async () => {
    const wire = await wireWith("one token");
    await createTasks(owner, 2);
    const body = { run_type: "gpu" };
    const one = taskOf(await wire.edge("claim-next-task", body));
    const two = taskOf(await wire.edge("claim-next-task", body));
    expect(new Set([one, two, null]).size).toBe(3);
  });

  it("get back what none of them heard of after a quarter of an hour", async () => {
    const wire = await wireWith("the service key");
    const [lost] = await createTasks(owner, 1);
    await claimOfApril(wire, "local-worker");
    for (let minute = 1; minute <= 16; minute++) {
      await stepClock("1 minute");
      await curl(BEAT, beatBody("local-worker"));
    }
    await admin()`select fairlane_core.rescue()`;
    expect(taskOf(await claimOfApril(wire, "local-worker"))).toBe(lost);
    expect(await readTask(lost ?? "")).toMatchObject({ attempts: 1 });
  });

  it("lose nothing by the last beat of one of them", async () => {
    const wire = await wireWith("the service key");
    await curl(BEAT, beatBody("local-worker"));
    const [task = ""] = await createTasks(owner, 1);
    expect(taskOf(await claimOfApril(wire, "local-worker"))).toBe(task);
    await sayGoodbye("local-worker");
    expect(await readTask(task)).toMatchObject({ status: "In Progress" });
  });
});

async function wireWith(key: string): Promise<Wire> {
  return key === "one token"
    ? new Wire(stack().apiUrl, await createToken(owner))
    : new Wire(stack().apiUrl);
}
