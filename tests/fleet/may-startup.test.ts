/** Machines of May: the startup script of O4, and its API orchestrator. */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { beatOn } from "../support/beats.ts";
import { resetClock } from "../support/clock.ts";
import { adminConnection, as, type Connection } from "../support/db.ts";
import { beat, spawnWorker } from "../support/fleet.ts";
import { isOpen } from "../support/holding.ts";
import { callFunction } from "../support/http.ts";
import { rest } from "../support/rest.ts";
import { RESET } from "../support/resets.ts";
import { pidOf, sendAndMeet } from "../support/sessions.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, readTask, reset } from "../support/world.ts";
import { registerApiWorker } from "./clients/api-worker-row.ts";
import { ROUTED } from "./clients/scaling.ts";

const W = "gpu-20260516_101010-eeee0003";
const API = "api-worker-main";

beforeEach(reset);
afterAll(resetClock);

describe("the startup script", () => {
  it("writes its phases: 200 with an array, then 204 and nothing", async () => {
    await spawnWorker(W, ROUTED);
    for (
      const phase of ["deps_installing", "worker_starting", "ready"]
    ) {
      const read = await readMetadata();
      const reply = await writeMetadata({ ...read, startup_phase: phase });
      expect([reply.status, reply.text]).toEqual([204, ""]);
      expect(await readMetadata()).toEqual({ ...read, startup_phase: phase });
    }
  });

  it("waits for preflight_status, which beats and other writers leave", async () => {
    await spawnWorker(W, ROUTED);
    await beat(W);
    await writeMetadata({
      ...await readMetadata(),
      preflight_status: "passed",
    });
    await beat(W);
    await writeMetadata({ ...await readMetadata(), startup_phase: "ready" });
    await beat(W, [{ message: "up" }]);
    expect(await readMetadata()).toMatchObject({
      ...ROUTED,
      orchestrator_status: "spawning",
      runpod_id: `pod-${W}`,
      preflight_status: "passed",
      startup_phase: "ready",
      vram_total_mb: 24_564,
    });
  });

  it("takes from others neither preflight_status nor phase that it had not read", async () => {
    await spawnWorker(W, ROUTED);
    const read = await readMetadata();
    expect(read).toMatchObject(ROUTED);
    await writeMetadata({ ...read, preflight_status: "passed" });
    // Written whole from what was read before; a beat comes in between, too.
    await beat(W);
    await writeMetadata({ ...read, startup_phase: "deps_installing" });
    expect(await readMetadata()).toMatchObject({
      preflight_status: "passed",
      startup_phase: "deps_installing",
      vram_total_mb: 24_564,
    });
    // The orchestrator, which writes status and metadata from an older read.
    const body = { status: "active", metadata: { ...read, ram_tier: "high" } };
    await rest("PATCH", "workers", { id: `eq.${W}` }, { body });
    expect(await readMetadata()).toMatchObject({
      ...ROUTED,
      preflight_status: "passed",
      startup_phase: "deps_installing",
      ram_tier: "high",
    });
  });

  it("changes what it names, and takes it away by a null", async () => {
    await spawnWorker(W);
    await writeMetadata({ preflight_status: "passed", startup_phase: "a" });
    await writeMetadata({ preflight_status: "failed", startup_phase: null });
    expect(await readMetadata()).toMatchObject({
      preflight_status: "failed",
      startup_phase: null,
    });
  });

  it("delays no beat while its write is not committed: that is noted", async () => {
    await spawnWorker(W, ROUTED);
    const read = await readMetadata();
    const [script, guardian] = [as("service_role"), adminConnection()];
    await script`begin`;
    await passPreflight(script, read);
    await beatOn(guardian, W);
    expect(await isOpen(script)).toBe(true);
    expect(await guardian`select worker_id from fairlane_core.noted_beats`)
      .toEqual([{ worker_id: W }]);
    await script`commit`;
    expect(await readMetadata()).toEqual({
      ...read,
      preflight_status: "passed",
    });
    await beat(W);
    expect(await readMetadata()).toMatchObject({
      ...ROUTED,
      preflight_status: "passed",
      vram_total_mb: 24_564,
    });
  });

  it("waits for a beat that is not committed, and takes nothing from it", async () => {
    await spawnWorker(W, ROUTED);
    const read = await readMetadata();
    const [script, guardian] = [as("service_role"), adminConnection()];
    const pid = await pidOf(script);
    await guardian`begin`;
    await beatOn(guardian, W);
    const { answer, hadToWait } = await sendAndMeet(
      pid,
      passPreflight(script, read),
    );
    expect(hadToWait).toBe(true);
    expect(await isOpen(guardian)).toBe(true);
    await guardian`commit`;
    await answer;
    expect(await readMetadata()).toMatchObject({
      ...ROUTED,
      preflight_status: "passed",
      vram_total_mb: 24_564,
    });
  });
});

describe("the API orchestrator of May", () => {
  it("registers with 201 and its row, and at its next start with 200", async () => {
    for (const status of [201, 200]) {
      const reply = await registerApiWorker();
      expect(reply.status, reply.text).toBe(status);
      expect(reply.json).toMatchObject([{
        id: API,
        instance_type: "api",
        status: "active",
        metadata: { type: "api_orchestrator" },
      }]);
    }
  });

  it("comes back after it was set aside as crashed or said goodbye", async () => {
    await registerApiWorker();
    for (const status of ["crashed", "terminated"]) {
      await beat(API, [], status as "crashed");
      expect((await registerApiWorker()).json).toMatchObject([{
        status: "active",
      }]);
    }
  });

  it("requeues what its former self ran, each once, and may start it anew", async () => {
    const owner = await createOwner();
    await registerApiWorker();
    const task = await createTask(owner, { task_type: "qwen_image_edit" });
    await claim();
    const found = await rest("GET", "tasks", {
      select: "id,attempts",
      status: "eq.In Progress",
      worker_id: `eq.${API}`,
    });
    expect(found.json).toEqual([{ id: task, attempts: 1 }]);
    const body = {
      ...RESET,
      attempts: 2,
      error_message:
        "Reset on startup - orphaned from worker restart (attempt 2/3)",
    };
    const filter = { id: `eq.${task}`, attempts: "lt.3" };
    const reply = await rest("PATCH", "tasks", filter, { body });
    expect(reply.json).toMatchObject([{ id: task, attempts: 1 }]);
    // The same reset once more, from a reply that was lost.
    await rest("PATCH", "tasks", filter, { body });
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      attempts: 1,
    });
    expect((await claim()).json).toMatchObject({ task_id: task, attempt: 2 });
  });

  it("finds after a claim whose reply was lost what it holds", async () => {
    const owner = await createOwner();
    const ids = [];
    for (const n of [1, 2]) {
      const task_type = "qwen_image_edit";
      ids.push(await createTask(owner, { task_type, params: { n } }));
      await claim();
    }
    const reply = await rest("GET", "tasks", {
      select: "id,task_type,params,project_id",
      status: "eq.In Progress",
      worker_id: `eq.${API}`,
      order: "generation_started_at.desc",
      limit: "10",
    });
    expect(reply.json).toEqual(
      ids.toReversed().map((id, at) => ({
        id,
        task_type: "qwen_image_edit",
        params: { n: 2 - at },
        project_id: owner.projectId,
      })),
    );
  });
});

function claim() {
  return callFunction("claim-next-task", { worker_id: API, run_type: "api" }, {
    key: stack().serviceRoleKey,
  });
}

/** Writes whole what was read, and one key more. */
function passPreflight(sql: Connection, read: Record<string, unknown>) {
  const metadata = JSON.stringify({ ...read, preflight_status: "passed" });
  return sql`
    update public.workers set metadata = ${metadata}::text::jsonb
    where id = ${W}
  `;
}

async function readMetadata(): Promise<Record<string, unknown>> {
  const reply = await rest("GET", "workers", {
    id: `eq.${W}`,
    select: "metadata",
  });
  expect(reply.status).toBe(200);
  const [row] = reply.json as { metadata: Record<string, unknown> }[];
  return row?.metadata ?? {};
}

function writeMetadata(metadata: Record<string, unknown>) {
  return rest("PATCH", "workers", { id: `eq.${W}` }, {
    body: { metadata },
    headers: { prefer: "return=minimal" },
  });
}
