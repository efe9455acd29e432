/** What newer clients send and this queue does not use: contract 13, 19. */
import { beforeEach, describe, expect, it } from "vitest";
import { HealthReply } from "../../shared/health.ts";
import { UNUSED_FIELDS } from "../../shared/unused-fields.ts";
import { callFunction } from "../support/http.ts";
import { expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

/** An instance writes once a minute: what was sent before it waits so long. */
const WRITTEN = { timeout: 75_000, interval: 1000 };

const W = "gpu-20260516_101010-eeee0003";
const COUNTS = {
  run_type: "gpu",
  worker_backend: "wgp",
  worker_profile: "1",
  worker_pool: "gpu-wgp-production",
  selector_namespace: "production",
  selector_version: null,
  worker_contract_version: 1,
  worker_run_id: null,
};

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("health tells of fields that change nothing", () => {
  it("the routes of an orchestrator of May", async () => {
    await expect.poll(async () => {
      const reply = await callFunction("task-counts", COUNTS, {
        key: stack().secretKey,
      });
      expect(reply.status).toBe(200);
      return await noticeOf("task-counts");
    }, WRITTEN).toMatch(namesOf("task-counts"));
  });

  it("the counter of a worker of January that tries again", async () => {
    await expect.poll(async () => {
      const task_id = await createTask(owner);
      await startTask(task_id, W);
      const reply = await callFunction("update-task-status", {
        task_id,
        status: "Queued",
        attempts: 1,
        error_details: "Retry 1 (network_transient): reset by peer",
        clear_worker: true,
      }, { key: stack().secretKey });
      expect(reply.status).toBe(200);
      return await noticeOf("update-task-status");
    }, WRITTEN).toMatch(namesOf("update-task-status"));
  });

  it("a field that nobody knows, from the operator's programs", async () => {
    await expect.poll(async () => {
      await callFunction("get-completed-segments", {
        run_id: "20260516101010",
        newer_than: "2026-05-16",
      }, { key: stack().secretKey });
      return await noticeOf("get-completed-segments");
    }, WRITTEN).toContain("gets newer_than, which is not used");
  });

  it("and nothing of what a user's machine makes up", async () => {
    const key = await createToken(owner);
    const reply = await callFunction("explain", {
      worker_id: "mine",
      made_up: 1,
    }, { key });
    expect(reply.status).toBe(200);
    expect(await noticeOf("explain")).toBe("");
  });
});

/** What health says of the endpoint; "" when nothing. */
async function noticeOf(endpoint: string): Promise<string> {
  const reply = await callFunction("health", {}, { key: stack().secretKey });
  const { notices } = expectOk(reply, HealthReply);
  return notices.filter(({ code }) => code === "FIELD_NOT_USED")
    .map(({ message }) => message)
    .find((message) => message.startsWith(`${endpoint} gets `)) ?? "";
}

/** All fields that are known to be sent there for nothing, in order. */
function namesOf(endpoint: string): RegExp {
  const fields = [...UNUSED_FIELDS[endpoint] ?? []].sort();
  return new RegExp(
    `gets .*${fields.join(".*, .*")}.*, which (?:is|are) not used`,
  );
}
