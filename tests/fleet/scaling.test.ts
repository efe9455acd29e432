/**
 * What orchestrators from 28 January on read of the counts, and what those from
 * 16 May on say besides: docs/contract.md, 18 and 19, docs/adr/0021.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { CountsReply } from "../../shared/counts.ts";
import { admin } from "../support/db.ts";
import { callRpc } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import { createTask, createTasks } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  reset,
} from "../support/world.ts";
import { claimOfApril, taskOf } from "./clients/claims.ts";
import { ROUTE, workloadOf, workloadOnRoute } from "./clients/scaling.ts";
import { Wire } from "./clients/wire.ts";

/** Under which total the tasks are that wait for this reason. */
const TOTAL_OF: Readonly<Record<string, string>> = {
  user_at_limit: "blocked_by_capacity",
  dependency_pending: "blocked_by_deps",
  dependency_lost: "blocked_by_deps",
  no_credits: "blocked_by_settings",
  cloud_disabled: "blocked_by_settings",
  local_disabled: "blocked_by_settings",
  type_inactive: "blocked_by_settings",
  pool_paused: "blocked_by_settings",
};

let owner: Owner;
let wire: Wire;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  wire = new Wire(stack().apiUrl);
});

describe("an orchestrator", () => {
  it("keeps workers warm for a user at the limit, of whom more is suggested to nobody", async () => {
    await runAtLimit();
    const { totals, suggested_workers } = await count();
    expect(totals).toMatchObject({
      queued_only: 0,
      eligible_queued: 0,
      active_only: 5,
      potentially_claimable: 3,
      blocked_by_capacity: 3,
      blocked_by_deps: 0,
      blocked_by_settings: 0,
    });
    expect(workloadOf(totals)).toEqual({ queued: 3, total: 8 });
    expect(suggested_workers).toBe(5);
  });

  it("sees what it counted become claimable when a running task ends", async () => {
    const [running] = await runAtLimit();
    const done = await wire.edge("complete_task", {
      task_id: running,
      output_location: "https://results.example/a.mp4",
    });
    expect(done.status, done.text).toBe(200);
    expect((await count()).totals).toMatchObject({
      queued_only: 1,
      potentially_claimable: 3,
      blocked_by_capacity: 2,
    });
    expect(taskOf(await claimOfApril(wire, "gpu-warm"))).not.toBeNull();
    const dry = await wire.edge("claim-next-task", {
      worker_id: "gpu-warm",
      dry_run: true,
    });
    expect(dry.json).toMatchObject({ available_tasks: 0, task: null });
  });

  it("rents for nobody who waits for another task, for credits or for a switch", async () => {
    const first = await createTask(owner, { available_at: "2100-01-01" });
    await createTask(owner, { dependant_on: first });
    await createTask(owner, { dependant_on: crypto.randomUUID() });
    await createTask(await createOwner({ credits: 0 }));
    const cloud = { ui: { generationMethods: { inCloud: false } } };
    await createTasks(await createOwner({ settings: cloud }), 2);
    const { totals, suggested_workers } = await count();
    expect(totals).toMatchObject({
      potentially_claimable: 0,
      blocked_by_capacity: 0,
      blocked_by_deps: 2,
      blocked_by_settings: 3,
    });
    expect([workloadOf(totals).total, suggested_workers]).toEqual([0, 0]);
  });

  it("is told by the totals what explain says task by task", async () => {
    await mixedWorld();
    const { totals, blocked } = await count();
    const queued = await admin()<{ id: string }[]>`
      select id from public.tasks
      where status = 'Queued' and run_type is distinct from 'local'
    `;
    const seen: Record<string, number> = {};
    for (const { id } of queued) {
      const { json } = await wire.edge("explain", { task_id: id });
      const { reason } = json as { reason: string | null };
      const total = reason === null ? "claimable" : TOTAL_OF[reason] ?? "none";
      seen[total] = (seen[total] ?? 0) + 1;
    }
    expect({
      claimable: totals.queued_only,
      blocked_by_deps: totals.blocked_by_deps,
      blocked_by_settings: totals.blocked_by_settings,
      blocked_by_capacity: totals.blocked_by_capacity,
      none: (blocked["not_yet"] ?? 0) + (blocked["stale"] ?? 0),
    }).toEqual(seen);
  });

  it("gets the same from func_get_task_counts, and with a token its own", async () => {
    await runAtLimit();
    const { totals } = await count();
    const rpc = await callRpc(
      "func_get_task_counts",
      { mode: "count", run_type_filter: "gpu" },
      { key: stack().serviceRoleKey },
    );
    expect(CountsReply.parse(rpc.json).totals).toEqual(totals);

    const own = new Wire(stack().apiUrl, await createToken(owner));
    expect((await count({}, own)).totals).toMatchObject({
      potentially_claimable: 3,
      blocked_by_capacity: 3,
    });
    const other = new Wire(
      stack().apiUrl,
      await createToken(await createOwner()),
    );
    expect((await count({}, other)).totals).toMatchObject({
      potentially_claimable: 0,
      blocked_by_capacity: 0,
    });
  });
});

describe("an orchestrator since May", () => {
  it("is told in a sentence that nothing is routed, and counts all", async () => {
    await runAtLimit();
    const plain = await count();
    const routed = await count(ROUTE);
    expect(routed.totals).toEqual(plain.totals);
    expect(routed).not.toHaveProperty("route_totals");
    expect(workloadOnRoute(routed)).toEqual({ queued: 3, total: 8 });
    const warning = routed.warnings
      .find(({ code }) => code === "ROUTING_IGNORED");
    expect(warning?.message).toContain(
      "does not route by worker_backend, worker_profile, worker_pool, selector_namespace, worker_contract_version",
    );
    expect(plain.warnings.map(({ code }) => code))
      .not.toContain("ROUTING_IGNORED");
  });

  it.each([
    { include_active: true },
    { include_active: false, worker_profile: "default" },
    { selector_version: "stable-v1", worker_run_id: "run-17" },
    { worker_profile: 1, worker_contract_version: "1" },
    { worker_pool: { name: "gpu" }, selector_namespace: ["production"] },
    { worker_backend: true, worker_run_id: 0.5 },
    { worker_backend: "w".repeat(300), worker_pool: "" },
  ])("is answered whatever the fields hold: %j", async (more) => {
    await createTask(owner);
    const { totals } = await count({ ...ROUTE, ...more });
    expect(totals.queued_only).toBe(1);
    const own = new Wire(stack().apiUrl, await createToken(owner));
    expect((await count({ ...ROUTE, ...more }, own)).totals.queued_only)
      .toBe(1);
  });

  it("hears nothing of fields that are all null", async () => {
    const none = Object.fromEntries(
      Object.keys(ROUTE).map((field) => [field, null]),
    );
    expect((await count(none)).warnings.map(({ code }) => code))
      .not.toContain("ROUTING_IGNORED");
  });
});

/** Five tasks that run, three that wait for them. */
async function runAtLimit(): Promise<string[]> {
  await createTasks(owner, 8);
  const running: string[] = [];
  for (let worker = 1; worker <= 5; worker++) {
    running.push(taskOf(await claimOfApril(wire, `gpu-${worker}`)) ?? "");
  }
  return running;
}

/** Something for each total, and for none. */
async function mixedWorld(): Promise<void> {
  await runAtLimit();
  const free = await createOwner();
  const later = await createTask(free, { available_at: "2100-01-01" });
  await createTask(free, { dependant_on: later });
  await createTask(free, { dependant_on: crypto.randomUUID() });
  await createTasks(free, 2);
  await createTask(free, { created_at: "2025-08-12T15:06:09Z" });
  await createTask(await createOwner({ credits: 0 }));
  await createTask(free, { run_type: "local" });
}

async function count(more: object = {}, by = wire): Promise<CountsReply> {
  const body = { run_type: "gpu", ...more };
  const answer = await by.edge("task-counts", body);
  expect(answer.status, answer.text).toBe(200);
  return CountsReply.parse(answer.json);
}
