/**
 * A worker that makes a chain of children and asks for their results: contract
 * 3.7 to 3.9, and the end of 9. What strangers are told is in tests/e2e/create-task.test.ts and
 * task-reads.test.ts.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { callFunction, type Reply } from "../support/http.ts";
import { rest, SINGLE } from "../support/rest.ts";
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

const W = "gpu-20260111_120000-0a1b2c3d";
const RUN = "20260111120000";
/** What a worker sends that knows no project. */
const DEFAULT = "default_project_id";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("create-task", () => {
  it.each(["travel_segment", "travel_stitch", "join_clips_segment", "wgp"])(
    "stores a %s as it was sent, for a gpu worker to claim",
    async (task_type) => {
      const params = {
        task_id: "unknown_task_1768132800",
        project_id: owner.projectId,
        orchestrator_run_id: RUN,
        segment_index: 0,
        prompts: ["a bus", ""],
        scale: 1.5,
        mask: null,
      };
      const task_id = await create({ task_type, params });
      const row = await rest("GET", "tasks", {
        select:
          "id,task_type,params,status,project_id,dependant_on,worker_id," +
          "output_location,attempts,error_message",
        id: `eq.${task_id}`,
      }, { headers: SINGLE });
      expect(row.json).toEqual({
        id: task_id,
        task_type,
        params,
        status: "Queued",
        project_id: owner.projectId,
        dependant_on: null,
        worker_id: null,
        output_location: null,
        attempts: 0,
        error_message: null,
      });
      const claimed = await edge("claim-next-task", {
        worker_id: W,
        run_type: "gpu",
      });
      expect([claimed.status, claimed.json]).toMatchObject([200, {
        task_id,
        task_type,
        params,
        project_id: owner.projectId,
      }]);
    },
  );

  it("chains segments, and the stitch to the last of them", async () => {
    let dependant_on: string | null = null;
    for (const segment_index of [0, 1, 2]) {
      const params = { orchestrator_run_id: RUN, segment_index };
      dependant_on = await create({ params, dependant_on });
    }
    const stitch = await create({ task_type: "travel_stitch", dependant_on });
    const query = { select: "dependant_on", id: `eq.${stitch}` };
    expect((await rest("GET", "tasks", query)).json).toEqual([{
      dependant_on,
    }]);
  });

  it.each<[string, () => Promise<Record<string, unknown>>]>([
    ["its orchestrator's", async () => {
      const parent = await createTask(owner, {
        task_type: "travel_orchestrator",
      });
      return { params: { orchestrator_task_id_ref: parent } };
    }],
    [
      "the one in params",
      () => Promise.resolve({ params: { project_id: owner.projectId } }),
    ],
    ["that of what it waits for", async () => ({
      dependant_on: await createTask(owner),
    })],
  ])(
    "takes for default_project_id %s, and answers a retry alike",
    async (_whose, body) => {
      const sent = { project_id: DEFAULT, ...await body() };
      const task_id = await create(sent);
      await create({ ...sent, task_id });
      expect(await readTask(task_id)).toMatchObject({
        project_id: owner.projectId,
        user_id: owner.id,
      });
    },
  );

  it("takes for default_project_id a token's only project", async () => {
    const key = await createToken(owner);
    const body = { task_type: "wgp", params: {}, project_id: DEFAULT };
    const reply = await callFunction("create-task", body, { key });
    expect([reply.status, reply.json])
      .toMatchObject([200, { project_id: owner.projectId }]);
  });
});

describe("get-predecessor-output", () => {
  it("tells an output of what is Complete only, no progress and no error", async () => {
    const predecessor_id = await createTask(owner);
    const child = await createTask(owner, { dependant_on: predecessor_id });
    const none = { predecessor_id, output_location: null };
    expect(await predecessorOf(child)).toMatchObject([200, none]);
    await startTask(predecessor_id, W);
    await update(predecessor_id, "In Progress", "Step 7 of 20");
    expect(await predecessorOf(child)).toMatchObject([200, none]);
    await update(predecessor_id, "Failed", "out of memory");
    expect(await predecessorOf(child)).toMatchObject([200, none]);
  });

  it("tells one predecessor in text where there are several", async () => {
    const [one, two] = [await createTask(owner), await createTask(owner)];
    for (const [task_id, output_location] of [[one, "1.mp4"], [two, "2.mp4"]]) {
      await startTask(task_id ?? "", W);
      await edge("complete_task", { task_id, output_location });
    }
    const task_id = await create({ dependant_on: [one, two] });
    expect(await predecessorOf(task_id)).toMatchObject([200, {
      predecessor_id: one,
      output_location: "1.mp4",
    }]);
  });

  it("answers 404 about a task that is not there", async () => {
    expect(await predecessorOf(crypto.randomUUID()))
      .toMatchObject([404, { code: "TASK_NOT_FOUND" }]);
  });
});

describe("get-completed-segments", () => {
  it("is a list of whole numbers and texts, of Complete segments only", async () => {
    for (const segment_index of [2, 0, 1]) {
      const params = { orchestrator_run_id: RUN, segment_index };
      const task_id = await create({ params });
      await startTask(task_id, W);
      if (segment_index === 1) await update(task_id, "In Progress", "1 %");
      else {
        const output_location = `${segment_index}.mp4`;
        await edge("complete_task", { task_id, output_location });
      }
    }
    const body = { run_id: RUN, project_id: owner.projectId };
    expect((await edge("get-completed-segments", body)).json).toEqual([
      { segment_index: 0, output_location: "0.mp4" },
      { segment_index: 2, output_location: "2.mp4" },
    ]);
  });

  it("compares the run as text, whether params have a number or a text", async () => {
    const params = { orchestrator_run_id: Number(RUN), segment_index: 0 };
    const task_id = await create({ params });
    await startTask(task_id, W);
    await edge("complete_task", { task_id, output_location: "0.mp4" });
    expect((await edge("get-completed-segments", { run_id: RUN })).json)
      .toEqual([{ segment_index: 0, output_location: "0.mp4" }]);
  });
});

describe("an orchestrator that has enqueued its children", () => {
  it("stays with its worker while they run, and ends with the last", async () => {
    const parent = await createTask(owner, {
      task_type: "travel_orchestrator",
      params: { orchestrator_details: { num_new_segments_to_generate: 1 } },
    });
    await startTask(parent, W);
    const params = { orchestrator_task_id_ref: parent, segment_index: 0 };
    const segment = await create({ params });
    const stitch = await create({
      task_type: "travel_stitch",
      params: { orchestrator_task_id_ref: parent },
      dependant_on: segment,
    });
    const text = "Successfully enqueued 1 segment";
    for (const task_id of [segment, stitch]) {
      await update(parent, "In Progress", text);
      expect(await readTask(parent)).toMatchObject({
        status: "In Progress",
        worker_id: W,
        output_location: text,
      });
      await startTask(task_id, "another-worker");
      const output_location = `${task_id}.mp4`;
      await edge("complete_task", { task_id, output_location });
    }
    expect(await readTask(parent)).toMatchObject({
      status: "Complete",
      worker_id: W,
      output_location: `${stitch}.mp4`,
    });
  });
});

/** Sends what a deployed worker sends, with these fields; the id it chose. */
async function create(fields: Record<string, unknown>): Promise<string> {
  const body = {
    task_id: crypto.randomUUID(),
    params: {},
    task_type: "travel_segment",
    project_id: owner.projectId,
    dependant_on: null,
    ...fields,
  };
  const reply = await edge("create-task", body);
  expect(reply.status, reply.text).toBe(200);
  return body.task_id;
}

async function predecessorOf(task_id: string): Promise<[number, unknown]> {
  const reply = await edge("get-predecessor-output", { task_id });
  return [reply.status, reply.json];
}

function update(task_id: string, status: string, output_location: string) {
  return edge("update-task-status", { task_id, status, output_location });
}

function edge(name: string, body: unknown): Promise<Reply> {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}
