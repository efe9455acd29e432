/**
 * A machine that somebody started by hand, beside the orchestrator of 22
 * January: that one sets aside what it did not rent, and is not argued with,
 * until the operator says that the machine is kept.
 */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { beat } from "../support/fleet.ts";
import { callFunction, callRpc } from "../support/http.ts";
import { rest, SINGLE } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const W = "gpu-by-hand";

beforeEach(async () => {
  await resetClock();
  await reset();
  await beat(W);
});
afterAll(resetClock);

describe("a machine started by hand", () => {
  it("gets nothing once it was set aside, and is told the way back", async () => {
    const task = await createTask(await createOwner());
    await setAside();
    await beat(W);
    expect((await worker()).status).toBe("error");
    const refused = await claim();
    expect([refused.status, refused.json]).toMatchObject([409, {
      code: "WORKER_NOT_ELIGIBLE",
      message: expect.stringContaining("No RunPod ID"),
      hint: expect.stringContaining(`select keep_worker('${W}')`),
    }]);
    expect((await readTask(task))["status"]).toBe("Queued");
  });

  it("comes back by one command, and stays at the next cycles", async () => {
    const task = await createTask(await createOwner());
    await setAside();
    const kept = await keep({ p_worker_id: W });
    expect([kept.status, kept.json]).toMatchObject([200, {
      worker_id: W,
      status: "active",
    }]);
    for (const status of ["error", "terminating", "terminated"]) {
      const reply = await setAside(status);
      expect([reply.status, reply.json]).toMatchObject([200, [{ id: W }]]);
      expect(await worker()).toMatchObject({ status: "active" });
    }
    expect((await worker()).metadata).not.toHaveProperty("error_reason");
    expect((await claim()).json).toMatchObject({ task_id: task });
    await setAside();
    expect(await readTask(task)).toMatchObject({
      status: "In Progress",
      worker_id: W,
    });
  });

  it("is kept only as long as it beats", async () => {
    await keep({ p_worker_id: W });
    await stepClock("101 seconds");
    await setAside();
    expect((await worker()).status).toBe("error");
  });

  it("may still give itself up, and end", async () => {
    const task = await createTask(await createOwner());
    await keep({ p_worker_id: W });
    await startTask(task, W);
    await setAside("error", { self_terminated: true });
    expect((await worker()).status).toBe("error");
    expect((await readTask(task))["status"]).toBe("Queued");
    await keep({ p_worker_id: W });
    expect((await worker()).metadata).not.toHaveProperty("self_terminated");
    // What it once said is not read back by whoever writes the whole row.
    await setAside("error", (await worker()).metadata);
    expect((await worker()).status).toBe("active");
    await beat(W, [], "crashed");
    expect((await worker()).status).toBe("crashed");
  });

  it("is let go of by the same command", async () => {
    await keep({ p_worker_id: W });
    await keep({ p_worker_id: W, p_keep: false });
    await setAside();
    expect((await worker()).status).toBe("error");
  });

  it("is nobody's to keep but the service's", async () => {
    const owner = await createOwner();
    const keys = [await createToken(owner), await userJwt(owner.id)];
    for (
      const credential of [...keys, stack().anonKey, stack().publishableKey]
    ) {
      const reply = await callRpc("keep_worker", { p_worker_id: W }, {
        key: credential,
      });
      expect([401, 403, 404]).toContain(reply.status);
    }
    expect(await worker()).toMatchObject({ kept_at: null });
    const nobody = await keep({ p_worker_id: "nobody" });
    expect([nobody.status, nobody.json])
      .toMatchObject([404, { details: "WORKER_NOT_FOUND" }]);
  });
});

function setAside(status = "error", more: Record<string, unknown> = {}) {
  const metadata = {
    orchestrator_status: status,
    error_reason: "No RunPod ID",
    ...more,
  };
  const body = { status, metadata };
  return rest("PATCH", "workers", { id: `eq.${W}` }, { body });
}

function keep(body: Record<string, unknown>) {
  return callRpc("keep_worker", body, {
    headers: { apikey: stack().serviceRoleKey },
  });
}

function claim() {
  return callFunction("claim-next-task", { worker_id: W, run_type: "gpu" }, {
    key: stack().serviceRoleKey,
  });
}

async function worker() {
  const query = { select: "*", id: `eq.${W}` };
  const { json } = await rest("GET", "workers", query, { headers: SINGLE });
  return json as { status: string; metadata: Record<string, unknown> };
}
