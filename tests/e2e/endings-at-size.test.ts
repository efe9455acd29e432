import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { countByState, MOST_QUEUED, settleAll } from "../support/crowd.ts";
import { callFunction, callRpc } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

let owner: Owner;
let task_id: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  task_id = await createTask(owner);
  await startTask(task_id);
  await createTasks(owner, MOST_QUEUED, { dependant_on: task_id });
});

describe(`a task that ${MOST_QUEUED} wait for`, () => {
  it("completes, and its finished work is not run again", async () => {
    const key = stack().serviceRoleKey;
    const body = { task_id, output_location: "https://files.test/a.mp4" };
    expect((await callFunction("complete-task", body, { key })).status)
      .toBe(200);
    expect((await callFunction("complete-task", body, { key })).status)
      .toBe(200);
    await admin()`select fairlane_core.rescue()`;
    const [late] = await admin()<{ id: string }[]>`
      select id from public.tasks where readiness = 'dependency_pending' limit 1
    `;
    const reply = await callFunction("explain", { task_id: late!.id }, { key });
    expect(reply.json).toMatchObject({
      reason: "dependency_pending",
      claimable: false,
      remedy:
        "The tasks it waits for have to complete, and have: it is released in turn, within a minute or so",
    });
    await settleAll();
    expect(await countByState())
      .toEqual({ Complete: 1, "Queued ready": MOST_QUEUED });
  });

  it("may fail, and a claim never gets one of them", async () => {
    const key = stack().serviceRoleKey;
    const body = { task_id, status: "Failed", output_location: "boom" };
    expect((await callFunction("update-task-status", body, { key })).status)
      .toBe(200);
    const claimed = await callRpc("claim_next_task", {
      p_caller: { kind: "service" },
      p_worker_id: "worker-1",
    }, { key });
    expect(claimed.text).toBe("null");
    await settleAll();
    expect(await countByState()).toEqual({ Failed: MOST_QUEUED + 1 });
  });
});
