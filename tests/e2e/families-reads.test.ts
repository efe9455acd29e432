import { beforeEach, describe, expect, it } from "vitest";
import { ChildrenReply } from "../../shared/orchestrator-children.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  reset,
} from "../support/world.ts";
import { PARENT } from "../support/fleet-words.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("get-orchestrator-children", () => {
  it("lists what was enqueued, with params byte for byte", async () => {
    const parent = await createTask(owner, {
      task_type: "film_orchestrator",
    });
    const params = `{"${PARENT}": "${parent}", "seed": 18446744073709551615}`;
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
      { orchestrator_task_id: "test_7" },
      { key: stack().serviceRoleKey },
    );
    expectError(reply, "INVALID_BODY");
  });
});
