import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const NOTHING = "No new segments to generate based on orchestrator payload. " +
  "Orchestration complete (vacuously).";

let owner: Owner;
let orchestrator: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  orchestrator = await createTask(owner, {
    task_type: "travel_orchestrator",
    params: { orchestrator_details: { num_new_segments_to_generate: 0 } },
  });
  await startTask(orchestrator);
});

describe("an orchestrator that has nothing to enqueue", () => {
  it("is Complete with its report", async () => {
    const reply = await report(NOTHING);
    expect(reply.json).toMatchObject({ status: "Complete" });
    expect(await readTask(orchestrator)).toMatchObject({
      status: "Complete",
      output_location: null,
      error_message: null,
    });
    expect(await drift()).toEqual([]);
  });

  it("is Complete when a row is patched to say so", async () => {
    const patched = await rest("PATCH", "tasks", { id: `eq.${orchestrator}` }, {
      body: { status: "In Progress", output_location: NOTHING },
    });
    expect(patched.status, patched.text).toBe(200);
    expect(await readTask(orchestrator)).toMatchObject({ status: "Complete" });
    expect(await drift()).toEqual([]);
  });

  it("runs on with any other text", async () => {
    for (
      const text of [
        "Successfully enqueued 0 segments",
        "There are no new segments to generate",
        "[IDEMPOTENT] No new segments to generate",
      ]
    ) {
      await report(text);
      expect(await readTask(orchestrator)).toMatchObject({
        status: "In Progress",
      });
    }
  });
});

describe("an orchestrator whose children are all deleted", () => {
  let children: string[];

  beforeEach(async () => {
    children = [];
    for (const segment_index of [0, 1]) {
      children.push(
        await createTask(owner, {
          params: { orchestrator_task_id_ref: orchestrator, segment_index },
        }),
      );
    }
    await report("Successfully enqueued 2 segments");
  });

  it("is Cancelled when the service key deletes them one by one", async () => {
    for (const id of children) {
      const gone = await rest("DELETE", "tasks", { id: `eq.${id}` }, {
        body: {},
      });
      expect(gone.json).toMatchObject([{ id }]);
    }
    await expectCancelled();
  });

  it("is Cancelled when their project goes", async () => {
    const projectId = crypto.randomUUID();
    await admin()`
      insert into public.projects (id, user_id)
      values (${projectId}, ${owner.id})
    `;
    await admin()`
      update public.tasks set project_id = ${projectId}
      where id = any (${children}::uuid[])
    `;
    const gone = await rest("DELETE", "projects", { id: `eq.${projectId}` }, {
      key: await userJwt(owner.id),
      body: {},
    });
    expect(gone.json).toMatchObject([{ id: projectId }]);
    await expectCancelled();
  });

  async function expectCancelled(): Promise<void> {
    expect(await readTask(orchestrator)).toMatchObject({
      status: "Cancelled",
      error_message: "all children were deleted",
    });
    expect(await drift()).toEqual([]);
  }
});

describe("a child whose row is patched", () => {
  it("is counted where its params say, at once", async () => {
    const other = await createTask(owner, { task_type: "travel_orchestrator" });
    const child = await createTask(owner, {
      params: { orchestrator_task_id_ref: orchestrator, segment_index: 0 },
    });
    await report("Successfully enqueued 1 segment");
    for (const parent of [other, undefined, orchestrator]) {
      const patched = await rest("PATCH", "tasks", { id: `eq.${child}` }, {
        body: { params: { orchestrator_task_id_ref: parent } },
      });
      expect(patched.status, patched.text).toBe(200);
      expect(await drift()).toEqual([]);
    }
    // The first change took its only child away.
    expect(await readTask(orchestrator)).toMatchObject({ status: "Cancelled" });
    expect(await readTask(child)).toMatchObject({ status: "Cancelled" });
  });

  it("cannot be given other dependencies", async () => {
    const id = await createTask(owner);
    const patched = await rest("PATCH", "tasks", { id: `eq.${id}` }, {
      body: { dependant_on: orchestrator },
    });
    expect(patched.status).toBe(403);
    expect(await readTask(id)).toMatchObject({ dependant_on: null });
  });
});

function report(output_location: string) {
  return callFunction(
    "update-task-status",
    { task_id: orchestrator, status: "In Progress", output_location },
    { key: stack().serviceRoleKey },
  );
}

async function drift(): Promise<unknown[]> {
  return [...await admin()`select * from fairlane_core.drift()`];
}
