import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../../support/db.ts";
import { counterDrift } from "../../support/drift.ts";
import { callFunction, callRpc } from "../../support/http.ts";
import { rest } from "../../support/rest.ts";
import { stack } from "../../support/stack.ts";
import { createTask } from "../../support/fleet-tasks.ts";
import {
  createOwner,
  type Owner,
  reset,
  startTask,
} from "../../support/world.ts";

// November 2025: workers set Complete through update-task-status; the tasks had
// an output, and no generation was created.

const OUTPUT = "https://files/result.mp4";
const RESULTS = [
  ["travel_segment", "video"],
  ["travel_stitch", "video"],
  ["join_clips", "video"],
  ["join_clips_segment", "video"],
  ["video_generation", "video"],
  ["video_upscale", "video"],
  ["qwen_image_edit", "image"],
] as const;

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner({ maxInProgress: 50 });
});

/** Every way in which a running task was ever made Complete. */
const WAYS: Record<string, (id: string) => Promise<{ status: number }>> = {
  "complete-task": (task_id) =>
    call("complete-task", { task_id, output_location: OUTPUT }),
  "complete_task": (task_id) =>
    call("complete_task", { task_id, output_location: OUTPUT }),
  "update-task-status": (task_id) =>
    call("update-task-status", {
      task_id,
      status: "Complete",
      output_location: OUTPUT,
    }),
  "a direct PATCH": (id) =>
    rest("PATCH", "tasks", { id: `eq.${id}` }, {
      body: { status: "Complete", output_location: OUTPUT },
    }),
};

describe.each(Object.entries(WAYS))("Complete by %s", (_name, complete) => {
  it.each(RESULTS)("leaves the result of a %s: a %s", async (type, content) => {
    const id = await createTask(owner, { task_type: type });
    await startTask(id);
    expect((await complete(id)).status).toBe(200);
    expect(await generationsOf(id)).toEqual([
      {
        type: content,
        location: OUTPUT,
        generation_created: true,
        is_of_one_transaction: true,
      },
    ]);
    expect(await counterDrift()).toEqual([]);
  });

  it("leaves none of an orchestrator, which has nothing to show itself", async () => {
    const id = await createTask(owner, { task_type: "travel_orchestrator" });
    await startTask(id);
    expect((await complete(id)).status).toBe(200);
    expect(await generationsOf(id)).toEqual([]);
  });
});

describe("results from before that were never recorded", () => {
  it("are found and repaired", async () => {
    const id = await createTask(owner, { task_type: "travel_stitch" });
    await startTask(id);
    await WAYS["complete-task"]?.(id);
    await admin()`delete from public.generations where task_id = ${id}`;
    await admin()`update public.tasks set generation_created = false where id = ${id}`;
    const repair = (body: object) =>
      callRpc("repair_generations", body, { key: stack().serviceRoleKey });
    expect((await repair({ p_dry_run: true })).json)
      .toMatchObject({ missing: 1, task_ids: [id] });
    await repair({});
    expect(await generationsOf(id)).toMatchObject([{ location: OUTPUT }]);
    expect((await repair({})).json).toMatchObject({ missing: 0, torn: 0 });
  });
});

function call(name: string, body: unknown) {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

async function generationsOf(taskId: string) {
  const found = await admin()`
    select
      g.type, g.location, t.generation_created,
      g.xmin = t.xmin as is_of_one_transaction
    from public.generations as g
      join public.tasks as t on t.id = g.task_id
    where g.task_id = ${taskId}
  `;
  return [...found];
}
