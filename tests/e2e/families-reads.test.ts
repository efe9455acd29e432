import { beforeEach, describe, expect, it } from "vitest";
import { ChildrenReply } from "../../shared/orchestrator-children.ts";
import { SegmentsReply } from "../../shared/segments.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
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
});

describe("get-orchestrator-children", () => {
  it("lists what was enqueued, with params byte for byte", async () => {
    const parent = await createTask(owner, {
      task_type: "travel_orchestrator",
    });
    const params =
      `{"orchestrator_task_id_ref": "${parent}", "seed": 18446744073709551615}`;
    const child = await createTask(owner, { params });
    await createTask(owner);
    const reply = await callFunction(
      "get-orchestrator-children",
      { orchestrator_task_id: parent },
      { key: await createToken(owner) },
    );
    const { tasks, is_cut } = expectOk(reply, ChildrenReply);
    expect(tasks).toMatchObject([{ id: child, status: "Queued" }]);
    expect(is_cut).toBe(false);
    expect(reply.text).toContain('"seed": 18446744073709551615');
  });

  it("refuses the names that people give to orchestrators", async () => {
    const reply = await callFunction(
      "get-orchestrator-children",
      { orchestrator_task_id: "test_travel_1" },
      { key: stack().serviceRoleKey },
    );
    expectError(reply, "INVALID_BODY");
  });
});

async function completeSegment(index: number, output: string): Promise<void> {
  const task_id = await createTask(owner, {
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
