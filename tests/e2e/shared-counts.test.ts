/** One answer for all who ask the same, where the fleet asks most. */
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { CountsReply } from "../../shared/counts.ts";
import { pathOf } from "../support/profile.ts";
import { type Router, startRouter } from "../support/router.ts";
import { send } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  reset,
} from "../support/world.ts";

let router: Router;
let owner: Owner;
beforeAll(async () => {
  // As long as no test takes; in production it is a second.
  router = await startRouter({ FAIRLANE_SHARED_MS: "60000" });
});
afterAll(() => router.stop());
beforeEach(async () => {
  await reset();
  owner = await createOwner({ maxInProgress: 10 });
});

async function get(
  query: string,
  headers: Record<string, string> = {},
): Promise<CountsReply> {
  const reply = await fetch(`${router.address}/task-counts?${query}`, {
    headers: { authorization: `Bearer ${stack().secretKey}`, ...headers },
  });
  return CountsReply.parse(await reply.json());
}

const counted = async (query = "", headers = {}) =>
  (await get(query, headers)).totals.queued_only;

it("tells one answer to all who ask the same, and a new one to who asks for it", async () => {
  await createTask(owner);
  const fresh = { "cache-control": "no-cache" };
  expect(await counted("run_type=gpu", fresh)).toBe(1);
  expect(await counted("run_type=gpu")).toBe(1);
  await createTask(owner);
  expect(await counted("run_type=gpu")).toBe(1);
  expect(await counted("run_type=gpu", fresh)).toBe(2);
  const legacy = { authorization: `Bearer ${stack().serviceRoleKey}` };
  expect(await counted("run_type=gpu", legacy)).toBe(2);
});

it("forgets the answer with each write of its own", async () => {
  expect(await counted("include_active=true", { "cache-control": "no-cache" }))
    .toBe(0);
  expect(await counted("include_active=true")).toBe(0);
  const [project_id] = [owner.projectId];
  const created = await router.call("create-task", {
    task_type: "clip",
    params: {},
    project_id,
  });
  expect(created.status).toBe(200);
  expect(await counted("include_active=true")).toBe(1);
});

it("is asked by GET through the gateway as well", async () => {
  await createTask(owner);
  const path = `/functions/v1${pathOf("task-counts")}`;
  const reply = await send(`${path}?run_type=gpu`, {
    headers: { authorization: `Bearer ${stack().secretKey}` },
  });
  expect(CountsReply.parse(reply.json).totals.queued_only).toBe(1);
});

it("counts the same without the lists, and says how old the oldest is", async () => {
  await createTasks(owner, 12);
  const whole = await get("run_type=gpu", { "cache-control": "no-cache" });
  const lean = await get("run_type=gpu&include_lists=false");
  expect(whole.queued_tasks).toHaveLength(10);
  expect({ ...lean, snapshot_at: "", oldest_claimable_age_seconds: 0 })
    .toEqual({
      ...whole,
      snapshot_at: "",
      oldest_claimable_age_seconds: 0,
      users: [],
      recent_tasks: [],
      queued_tasks: [],
      active_tasks: [],
    });
  expect(lean.oldest_claimable_age_seconds).toBeGreaterThanOrEqual(
    whole.oldest_claimable_age_seconds ?? Number.NaN,
  );
});
