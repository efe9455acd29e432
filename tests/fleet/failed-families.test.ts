/**
 * What becomes of the other children when one has failed for good: those in line
 * fail with it, as with the backend that workers of April know; where a guest
 * has `fails_siblings` off they go on (docs/fleet.md). And what orchestrators
 * say of their children when they find themselves cancelled.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { holdTasks, isOpen } from "../support/holding.ts";
import { callFunction } from "../support/http.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask, createTasks } from "../support/fleet-tasks.ts";
import {
  createOwner,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";
import { Wire } from "./clients/wire.ts";

const W = "gpu-20260411_101010-dddd0002";

let owner: Owner;
let wire: Wire;
let orchestrator: string;
/** The first runs. */
let segments: string[];
let stitch: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  wire = new Wire(stack().apiUrl);
  orchestrator = await createTask(owner, { task_type: "travel_orchestrator" });
  await startTask(orchestrator, W);
  segments = await segmentsOf(4);
  stitch = await createTask(owner, {
    task_type: "travel_stitch",
    params: { orchestrator_task_id_ref: orchestrator },
    dependant_on: segments[3],
  });
  for (const id of segments.slice(0, 2)) await startTask(id, W);
  await say(orchestrator, "In Progress", "Successfully enqueued 4 segments");
});

describe("when a child has failed for good", () => {
  it.each([
    ["its worker reports it alone", false],
    ["its worker reports the orchestrator first", true],
  ])(
    "those in line fail with it and those that run finish: %s",
    async (_how, isFirst) => {
      if (isFirst) {
        await say(
          orchestrator,
          "Failed",
          "[ORCHESTRATOR_FAILED] oom",
        );
      }
      await say(at(0), "Failed", "CUDA out of memory");
      expect(await statuses()).toEqual([
        ...["Failed", "Failed", "In Progress"],
        ...["Failed", "Failed", "Failed"],
      ]);
      const cause = isFirst ? orchestrator : at(0);
      for (const id of [at(2), at(3), stitch]) {
        const { error_message, output_location } = await readTask(id);
        expect(error_message).toMatch(
          new RegExp(`^Cascaded failed from related task ${cause}\\b`),
        );
        expect(output_location).toBe(error_message);
      }
      const body = { task_id: at(1), output_location: "https://files.test/1" };
      await wire.edge("complete_task", body);
      expect(await readTask(at(1))).toMatchObject({ status: "Complete" });
      expect(await claim()).toBe(204);
    },
  );

  it("very many siblings follow in pieces of a hundred", async () => {
    await segmentsOf(400);
    await say(at(0), "Failed", "CUDA out of memory");
    const open = () =>
      count("status = 'Queued' and user_id = " + `'${owner.id}'`);
    expect(await open()).toBe(403);
    for (let left = 403; left > 0; left = await open()) {
      await admin()`select fairlane_core.settle_deferred()`;
      expect(left - await open()).toBeGreaterThan(0);
      expect(left - await open()).toBeLessThanOrEqual(100);
    }
    const words = `Cascaded failed from related task ${at(0)}`;
    expect(await count(`error_message like '${words}%'`)).toBe(404);
    expect(await admin()`select from fairlane_core.drift()`).toHaveLength(0);
  });

  it("a sibling that somebody holds is not waited for, and follows", async () => {
    const holder = await holdTasks(at(2));
    await say(at(0), "Failed", "CUDA out of memory");
    expect(await isOpen(holder)).toBe(true);
    await holder`rollback`;
    expect(await readTask(at(2))).toMatchObject({ status: "Queued" });
    expect(await readTask(at(3))).toMatchObject({ status: "Failed" });
    await admin()`select fairlane_core.settle_deferred()`;
    expect(await readTask(at(2))).toMatchObject({ status: "Failed" });
  });

  it("those that come too late, or are requeued, fail as well; what an operator requeues runs", async () => {
    await say(at(0), "Failed", "CUDA out of memory");
    const [late = ""] = await segmentsOf(1);
    expect(await readTask(late)).toMatchObject({ status: "Failed" });

    await rest("PATCH", "tasks", { id: `eq.${at(1)}` }, {
      body: { status: "Queued", worker_id: null },
    });
    await admin()`
      select public.requeue_tasks(${[at(2)]}::uuid[])
    `;
    await admin()`select fairlane_core.repair_orchestrations()`;
    expect(await readTask(at(1))).toMatchObject({ status: "Failed" });
    expect(await readTask(at(2))).toMatchObject({ status: "Queued" });
  });
});

describe("where a guest has fails_siblings off", () => {
  beforeEach(async () => {
    await admin()`update fairlane_core.settings set fails_siblings = false`;
  });
  // As it ships.
  afterEach(async () => {
    await admin()`update fairlane_core.settings set fails_siblings = default`;
  });

  it("siblings of a failed child go on", async () => {
    await say(at(0), "Failed", "CUDA out of memory");
    expect(await statuses()).toEqual([
      ...["Failed", "Failed", "In Progress"],
      ...["Queued", "Queued", "Queued"],
    ]);
  });
});

describe("an orchestrator that finds itself cancelled", () => {
  it("cancels each live child with its reason, which is kept, and may repeat it", async () => {
    const reason = "Cancelled: its orchestrator was cancelled";
    for (const id of [at(1), at(2)]) {
      for (let i = 0; i < 2; i++) {
        const reply = await wire.edgeWithRetry("update-task-status", {
          task_id: id,
          status: "Cancelled",
          output_location: reason,
        });
        expect(reply).toMatchObject({ status: 200 });
      }
      expect(await readTask(id)).toMatchObject({
        status: "Cancelled",
        error_message: reason,
        output_location: reason,
      });
    }
    const told = await wire.edge("get-task-status", { task_id: at(1) });
    expect(told.json).toMatchObject({ status: "Cancelled" });
  });

  it("has had its children cancelled already, and hears 200 for each", async () => {
    await say(orchestrator, "Cancelled", "by its user");
    for (const id of [...segments, stitch]) {
      const reply = await wire.edge("update-task-status", {
        task_id: id,
        status: "Cancelled",
        output_location: "again",
      });
      expect([reply.status, reply.json])
        .toMatchObject([200, { status: "Cancelled", changed: false }]);
    }
  });
});

function at(place: number): string {
  return segments[place] ?? "";
}

function segmentsOf(howMany: number): Promise<string[]> {
  const params = { orchestrator_task_id_ref: orchestrator };
  return createTasks(owner, howMany, { params });
}

async function say(
  task_id: string,
  status: string,
  output_location: string,
): Promise<void> {
  const key = stack().serviceRoleKey;
  const body = { task_id, status, output_location };
  const reply = await callFunction("update-task-status", body, { key });
  expect(reply.status, reply.text).toBe(200);
}

async function claim(): Promise<number> {
  const body = { worker_id: "gpu-another", run_type: "gpu" };
  return (await wire.edge("claim-next-task", body)).status;
}

async function statuses(): Promise<unknown[]> {
  const ids = [orchestrator, ...segments, stitch];
  const rows = await Promise.all(ids.map(readTask));
  return rows.map(({ status }) => status);
}

async function count(condition: string): Promise<number> {
  const [row] = await admin().unsafe<{ count: number }[]>(
    `select count(*)::integer as count from public.tasks where ${condition}`,
  );
  return row?.count ?? 0;
}
