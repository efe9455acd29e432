/**
 * Machines that share a name end like any other: what one of them held comes
 * back, whatever the others' beats say, and they keep what they name.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { beatBody, curl, sayGoodbye } from "../support/beats.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { runJob, storyOf } from "../support/fleet.ts";
import { callFunction } from "../support/http.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTasks } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";
import { claimOfApril, taskOf } from "./clients/claims.ts";
import { Wire } from "./clients/wire.ts";

const BEAT = "func_worker_heartbeat_with_logs";
const NAMES = ["local-worker", "gpu-20250723_221138-afa8403b", "token-worker"];
const W = "local-worker";

let owner: Owner;
let wire: Wire;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  wire = new Wire(stack().apiUrl);
});
afterEach(resetClock);

describe.each(NAMES)("one machine named %s", (name) => {
  it("that is restarted five times blocks nobody for long, and no start counts", async () => {
    await createTasks(owner, 6);
    const started = [];
    for (let start = 1; start <= 5; start++) {
      await beat([], name);
      started.push(taskOf(await claimOfApril(wire, name)) ?? "");
      await begin(started.at(-1) ?? "");
      await sayGoodbye(name);
    }
    expect((await claimOfApril(wire, name)).status).toBe(204);
    await minutes(6, () => beat([], name));
    for (const task of started) {
      expect(await readTask(task))
        .toMatchObject({ status: "Queued", attempts: 0 });
      expect((await storyOf(task)).at(-1))
        .toContain(`a machine under the shared name ${name} said that it ends`);
    }
    expect((await claimOfApril(wire, name)).status).toBe(200);
    expect(await counterDrift()).toEqual([]);
  });

  it("that crashes loses its start", async () => {
    const [task = ""] = await createTasks(owner, 1);
    await begin(taskOf(await claimOfApril(wire, name)));
    await curl(BEAT, beatBody(name, [], { status_param: "crashed" }));
    await minutes(6, () => beat([], name));
    expect(await readTask(task))
      .toMatchObject({ status: "Queued", attempts: 1 });
    expect((await storyOf(task)).at(-1)).toContain("its process is gone");
  });
});

describe("of two machines under one name", () => {
  let one: string;
  let two: string;

  beforeEach(async () => {
    [one = "", two = ""] = await createTasks(owner, 2);
    await beat();
    for (const _ of [one, two]) {
      await begin(taskOf(await claimOfApril(wire, W)));
    }
  });

  it("the one that says goodbye gives back, the other goes on", async () => {
    await sayGoodbye(W);
    expect(await statuses()).toEqual(["In Progress", "In Progress"]);
    await minutes(6, () => beat([two]));
    expect(await statuses()).toEqual(["Queued", "In Progress"]);
    await minutes(60, () => beat([two]));
    expect(await readTask(two))
      .toMatchObject({ status: "In Progress", attempts: 1 });
    expect(await admin()`select from fairlane_core.noted_beats`).toHaveLength(
      0,
    );
  });

  it("the one that dies whole is not shielded by the beats of the other", async () => {
    await minutes(19, () => beat([two]));
    expect(await statuses()).toEqual(["In Progress", "In Progress"]);
    await minutes(2, () => beat([two]));
    expect(await statuses()).toEqual(["Queued", "In Progress"]);
    expect(await readTask(one)).toMatchObject({ attempts: 1 });
    expect((await storyOf(one)).at(-1))
      .toContain(`several machines may share the name ${W}, and none`);
    expect(await counterDrift()).toEqual([]);
  });

  it("the orchestrators' reset finds what the dead one held", async () => {
    await stepClock("31 minutes");
    await beat([two]);
    const { json } = await rest("GET", "tasks", {
      select: "id",
      status: "eq.In Progress",
      worker_id: "eq.local-worker",
      updated_at: `lt.${new Date(Date.now() + 60_000).toISOString()}`,
    });
    expect(json).toEqual([{ id: one }]);
  });

  it("what a last beat names goes back at once", async () => {
    const line = { message: "out of memory", task_id: one };
    await curl(BEAT, beatBody(W, [line], { status_param: "crashed" }));
    expect(await statuses()).toEqual(["Queued", "In Progress"]);
    await sayGoodbye(W, { current_task_id_param: two });
    expect(await statuses()).toEqual(["Queued", "Queued"]);
    expect([await readTask(one), await readTask(two)])
      .toMatchObject([{ attempts: 1 }, { attempts: 0 }]);
    expect(await counterDrift()).toEqual([]);
  });

  it("explain says until when either has to be named", async () => {
    const before = await explain(one);
    expect(before.remedy)
      .toContain(`its machine shares the name ${W} with others`);
    await sayGoodbye(W);
    const after = await explain(one);
    expect(untilOf(after)).toBeLessThan(untilOf(before));
  });

  it("calls that name a task keep it, too", async () => {
    await sayGoodbye(W);
    await minutes(25, () => begin(two));
    expect(await statuses()).toEqual(["Queued", "In Progress"]);
  });

  const statuses = async () =>
    [await readTask(one), await readTask(two)].map(({ status }) => status);
});

describe("a machine of a token under a shared name", () => {
  it("gives back by a goodbye that names nothing", async () => {
    const [task = "", other = ""] = await createTasks(owner, 2);
    const key = await createToken(owner);
    const own = new Wire(stack().apiUrl, key);
    for (const _ of [task, other]) {
      await begin(taskOf(await claimOfApril(own, W)), own);
    }
    for (const task_id of [task, other]) {
      await say({ worker_id: W, task_id }, key);
    }
    await say({ worker_id: W, status: "terminated" }, key);
    await minutes(6, () => say({ worker_id: W, task_id: other }, key));
    expect(await readTask(task))
      .toMatchObject({ status: "Queued", attempts: 0 });
    expect(await readTask(other)).toMatchObject({ status: "In Progress" });
    expect(await counterDrift()).toEqual([]);
  });

  it("that said what it runs takes nothing from the others", async () => {
    const [task = ""] = await createTasks(owner, 1);
    const key = await createToken(owner);
    const own = new Wire(stack().apiUrl, key);
    await begin(taskOf(await claimOfApril(own, W)), own);
    await say({ worker_id: W, status: "terminated", task_ids: [] }, key);
    await minutes(30, () => Promise.resolve());
    expect(await readTask(task)).toMatchObject({ status: "In Progress" });
    expect((await storyOf(task)).filter((l) => l.startsWith("In Progress ->")))
      .toEqual([]);
  });
});

function beat(named: readonly string[] = [], name = W) {
  const lines = named.map((task_id) => ({ message: "Step", task_id }));
  return curl(BEAT, beatBody(name, lines));
}

async function say(body: Record<string, unknown>, key: string): Promise<void> {
  const reply = await callFunction("beat", body, { key });
  expect(reply.status, reply.text).toBe(200);
}

/** What a worker sends once its model is loaded. */
async function begin(task: string | null, by = wire): Promise<void> {
  const reply = await by.edge("update-task-status", {
    task_id: task,
    status: "In Progress",
    reset_generation_started_at: true,
  });
  expect(reply.status, JSON.stringify(reply.json)).toBe(200);
}

/** Minutes in which somebody goes on, with a rescue at the end of each. */
async function minutes(
  count: number,
  goOn: () => Promise<unknown>,
): Promise<void> {
  for (let minute = 1; minute <= count; minute++) {
    await stepClock("1 minute");
    await goOn();
    await runJob("rescue");
  }
}

async function explain(task: string): Promise<{ remedy: string }> {
  const { json } = await callFunction("explain", { task_id: task }, {
    key: stack().serviceRoleKey,
  });
  return json as { remedy: string };
}

function untilOf({ remedy }: { remedy: string }): number {
  return Date.parse(remedy.split("before ")[1] ?? "");
}
