import { beforeEach, describe, expect, it } from "vitest";
import { SegmentsReply } from "../../shared/segments.ts";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

const RUN = "20260111120000";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("get-completed-segments", () => {
  it("shows a segment as soon as it is complete", async () => {
    for (const index of [1, 0]) {
      await completeSegment(index, `seg${index}.mp4`);
      expect(await segments()).toContainEqual({
        segment_index: index,
        output_location: `seg${index}.mp4`,
      });
    }
    expect((await segments()).map((segment) => segment.segment_index))
      .toEqual([0, 1]);
  });

  it("answers an empty list for a run that nobody knows", async () => {
    expect(await segments({ run_id: "nothing" })).toEqual([]);
  });

  it("keeps to the project and to the caller's own", async () => {
    await completeSegment(0, "own.mp4");
    const stranger = await createOwner();
    const foreign = { run_id: RUN, project_id: stranger.projectId };
    expect(await segments(foreign)).toEqual([]);
    expect(await segments({ run_id: RUN }, await createToken(stranger)))
      .toEqual([]);
    const own = { run_id: RUN, project_id: owner.projectId };
    expect(await segments(own, await createToken(owner))).toHaveLength(1);
  });

  it("gives the segments above an index", async () => {
    for (const segment_index of [0, 1, 2]) {
      const id = await createTask(owner, {
        task_type: "travel_segment",
        params: { orchestrator_run_id: "run-1", segment_index },
      });
      await admin()`
        update public.tasks
        set status = 'In Progress', lease_token = gen_random_uuid(),
          attempts = 1
        where id = ${id}
      `;
      await admin()`
        update public.tasks set status = 'Complete', output_location = 'a.mp4'
        where id = ${id}
      `;
    }
    const reply = await callFunction(
      "get-completed-segments",
      { run_id: "run-1", after_index: 0 },
      { key: stack().serviceRoleKey },
    );
    expect(expectOk(reply, SegmentsReply).map((one) => one.segment_index))
      .toEqual([1, 2]);
  });
});

async function completeSegment(index: number, output: string): Promise<void> {
  const task_id = await createTask(owner, {
    task_type: "travel_segment",
    params: { orchestrator_run_id: RUN, segment_index: index },
  });
  await startTask(task_id, `worker-${index}`);
  const body = { task_id, output_location: output };
  await callFunction("complete-task", body, { key: stack().serviceRoleKey });
}

async function segments(
  body: unknown = { run_id: RUN },
  key = stack().serviceRoleKey,
): Promise<SegmentsReply> {
  const reply = await callFunction("get-completed-segments", body, { key });
  return expectOk(reply, SegmentsReply);
}
