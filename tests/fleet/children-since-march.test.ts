/**
 * What orchestrators of the younger workers enqueue: `task_type` and a list of
 * dependencies from 21 January, `family` and `input` from 30 March (docs/fleet.md).
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";
import {
  type Child,
  child,
  createSinceJanuary,
  createSinceMarch,
} from "./clients/children-since-march.ts";
import { type LossyNetwork, startNetwork } from "./clients/lossy-network.ts";
import type { Task } from "./clients/task.ts";
import { Wire } from "./clients/wire.ts";

const W = "gpu-20260411_101010-dddd0002";

let owner: Owner;
let parent: Task;
let network: LossyNetwork | undefined;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  const task_type = "travel_orchestrator";
  const id = await createTask(owner, { task_type });
  await startTask(id, W);
  parent = { id, task_type, params: {}, project_id: owner.projectId };
});

afterEach(async () => {
  await network?.stop();
  network = undefined;
});

describe.each([
  ["21 January", createSinceJanuary],
  ["30 March", createSinceMarch],
])("an orchestrator of %s", (_since, create) => {
  it("finds its children under its own ids, and each waits for what it names", async () => {
    const wire = await wireThatLoses(2);
    const children = travelFamily();
    for (const one of children) {
      expect(await create(wire, one)).toMatchObject({ status: 200 });
      expect(await create(wire, one)).toMatchObject({
        status: 200,
        json: { task_id: one.task_id, created: false },
      });
    }
    expect(network?.lost()).toBeGreaterThan(0);

    expect(await tasksOfOwner()).toHaveLength(children.length + 1);
    for (const { task_id, task_type, dependant_on } of children) {
      const [first = null] = dependant_on ?? [];
      expect(await readTask(task_id)).toMatchObject({
        task_type,
        project_id: owner.projectId,
        dependant_on: first,
        readiness: first === null ? "ready" : "dependency_pending",
        status: "Queued",
      });
      expect((await dependenciesOf(task_id)).sort())
        .toEqual([...(dependant_on ?? [])].sort());
    }
  });

  it("has its family worked off in the order that it asked for", async () => {
    const wire = await wireThatLoses(0);
    const children = travelFamily();
    for (const one of children) await create(wire, one);
    const order: unknown[] = [];
    for (let i = 0; i < children.length; i++) {
      const claimed = await wire.edge("claim-next-task", {
        worker_id: W,
        run_type: "gpu",
        same_model_only: true,
        max_task_wait_minutes: 5,
      });
      const { task_id } = claimed.json as { task_id: string };
      order.push(task_id);
      const output_location = `https://files.test/${i}.mp4`;
      await wire.edge("complete_task", { task_id, output_location });
    }
    expect(order).toEqual(children.map(({ task_id }) => task_id));
  });
});

describe("create-task with family and input", () => {
  it("stores params as they came, the id and the dependencies among them", async () => {
    const wire = await wireThatLoses(0);
    const one = child(parent, "travel_segment", { seed: 7 }, null);
    await createSinceMarch(wire, one);
    expect((await readTask(one.task_id))["params"]).toEqual({
      seed: 7,
      orchestrator_task_id_ref: parent.id,
      task_id: one.task_id,
      dependant_on: null,
    });
  });

  it.each([
    [
      "travel_orchestrator",
      "individual_travel_segment",
      {},
      "travel_segment",
    ],
    ["travel_orchestrator", "crossfade_join", {}, "travel_stitch"],
    ["join_clips_orchestrator", "crossfade_join", {}, "join_final_stitch"],
    ["edit_video_orchestrator", "crossfade_join", {}, "join_final_stitch"],
    ["travel_orchestrator", "join_clips", {
      orchestrator_details: { clip_list: [] },
    }, "join_clips_orchestrator"],
    // A plain join is one, whoever enqueues it.
    ["travel_orchestrator", "join_clips", {}, "join_clips"],
  ])(
    "of a %s: %s with %j is stored as %s, also when it is said again",
    async (task_type, family, params, stored) => {
      const id = await createTask(owner, { task_type });
      await startTask(id, "gpu-another");
      const above = { id, task_type, params: {}, project_id: owner.projectId };
      const wire = await wireThatLoses(0);
      const one = child(above, family, params, null);
      for (const created of [true, false]) {
        expect(await createSinceMarch(wire, one)).toMatchObject({
          status: 200,
          json: { task_id: one.task_id, created },
        });
      }
      expect(await readTask(one.task_id)).toMatchObject({ task_type: stored });
    },
  );

  it("keeps a family whose orchestrator is somebody else's, and a type that is called a type", async () => {
    const key = await createToken(await createOwner());
    const body = child(parent, "crossfade_join", {}, null);
    const [theirs, typed] = [crypto.randomUUID(), crypto.randomUUID()];
    const input = { ...body.params, task_id: theirs, dependant_on: null };
    const family = { family: "crossfade_join", input };
    await callFunction("create-task", family, { key });
    expect(await readTask(theirs)).toMatchObject({
      task_type: "crossfade_join",
    });
    await callFunction("create-task", {
      task_id: typed,
      task_type: "crossfade_join",
      params: body.params,
      project_id: owner.projectId,
    }, { key: stack().serviceRoleKey });
    expect(await readTask(typed)).toMatchObject({
      task_type: "crossfade_join",
    });
  });

  it.each(["image_generation", "wgp"])(
    "stores the family %s, which is no type, for a gpu worker",
    async (family) => {
      const wire = await wireThatLoses(0);
      const one = child(parent, family, {}, null);
      expect(await createSinceMarch(wire, one)).toMatchObject({ status: 200 });
      expect(await readTask(one.task_id))
        .toMatchObject({ task_type: family, pool: "gpu", readiness: "ready" });
    },
  );

  it("lifts the id of a user's machine and of each task of a batch as well", async () => {
    const key = await createToken(owner);
    const [a, b] = [crypto.randomUUID(), crypto.randomUUID()];
    const tasks = [
      { family: "travel_stitch", input: { task_id: a, dependant_on: [b] } },
      { family: "travel_segment", input: { task_id: b, dependant_on: null } },
    ];
    const reply = await callFunction("create-task", { tasks }, { key });
    expect(reply.status, reply.text).toBe(200);
    expect(await readTask(a)).toMatchObject({ dependant_on: b });
  });

  it.each([
    [{ task_id: "segment_1" }, "input.task_id"],
    [{ dependant_on: ["the first"] }, "input.dependant_on.0"],
  ])("refuses %j rather than to run it out of order", async (input, field) => {
    const body = { family: "wgp", project_id: owner.projectId, input };
    const key = stack().serviceRoleKey;
    const reply = await callFunction("create-task", body, { key });
    expect([reply.status, reply.json]).toMatchObject([400, {
      code: "INVALID_BODY",
      details: [{ field }],
    }]);
    expect(await tasksOfOwner()).toEqual([parent.id]);
  });
});

/** Two segments in a chain, and a stitch that waits for both. */
function travelFamily(): Child[] {
  const first = child(parent, "travel_segment", { segment_index: 0 }, null);
  const second = child(parent, "travel_segment", { segment_index: 1 }, [
    first.task_id,
  ]);
  return [
    first,
    second,
    child(parent, "travel_stitch", {}, [second.task_id, first.task_id]),
  ];
}

async function wireThatLoses(every: number): Promise<Wire> {
  network = await startNetwork(every);
  return new Wire(network.url);
}

async function tasksOfOwner(): Promise<string[]> {
  const rows = await admin()<{ id: string }[]>`
    select id from public.tasks where user_id = ${owner.id}
  `;
  return rows.map(({ id }) => id);
}

async function dependenciesOf(task: string): Promise<string[]> {
  const rows = await admin()<{ id: string }[]>`
    select depends_on as id from fairlane_core.task_dependencies where task_id = ${task}
  `;
  return rows.map(({ id }) => id);
}
