import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type DatabaseRelay,
  startDatabaseRelay,
} from "../support/database-relay.ts";
import { admin } from "../support/db.ts";
import { type Router, startRouter } from "../support/router.ts";
import { until } from "../support/sessions.ts";
import {
  createOwner,
  createTask,
  createTasks,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const CLAIM = { worker_id: "api-worker-main", run_type: "api" };
const API_TASK = { task_type: "edit_image" };

let owner: Owner;
let relay: DatabaseRelay;
let router: Router;
beforeEach(async () => {
  await reset();
  owner = await createOwner({ maxInProgress: 100 });
  relay = await startDatabaseRelay();
  router = await startRouter({ SUPABASE_DB_URL: relay.url });
  // The connection is there, as it is in an instance that has been called.
  expect((await router.call("claim-next-task", CLAIM)).status).toBe(204);
});
afterEach(async () => {
  await router.stop();
  await relay.stop();
});

describe("a call of the router whose connection is lost", () => {
  it("before its commit is made again, and is done once", async () => {
    await createTasks(owner, 3, API_TASK);
    relay.fault = "lost";
    const reply = await router.call("claim-next-task", CLAIM);
    expect(reply.status, reply.text).toBe(200);
    expect(reply.json).toMatchObject({ attempt: 1 });
    expect(await statuses()).toEqual(["In Progress", "Queued", "Queued"]);
    expect(relay.fault).toBe("none");
  });

  it("after its commit is not made again when that took a second task", async () => {
    await createTasks(owner, 3, API_TASK);
    const before = relay.commits;
    relay.fault = "unheard";
    const reply = await router.call("claim-next-task", CLAIM);
    expect(reply.status, reply.text).toBe(503);
    expect(reply.json).toMatchObject({
      code: "UNAVAILABLE",
      hint: expect.stringContaining("It may have been carried out"),
    });
    expect(await statuses()).toEqual(["In Progress", "Queued", "Queued"]);
    expect(relay.commits - before).toBe(1);
  });

  it("after its commit is made again when that changes nothing", async () => {
    const id = await createTask(owner);
    const lease_token = await startTask(id);
    const before = relay.commits;
    relay.fault = "unheard";
    const reply = await router.call("complete-task", {
      task_id: id,
      lease_token,
      output_location: "https://files.test/out.mp4",
    });
    expect(reply.status, reply.text).toBe(200);
    expect(relay.commits - before).toBe(2);
    expect(await endings(id)).toBe(1);
  });

  it("is answered by the next one on another connection", async () => {
    await createTasks(owner, 1, API_TASK);
    await admin()`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'fairlane'
    `;
    const reply = await router.call("claim-next-task", CLAIM);
    expect(reply.status, reply.text).toBe(200);
  });
});

describe("an isolate that is ended in mid-call", () => {
  it("leaves a claim undone whose commit it had not sent", async () => {
    await createTasks(owner, 1, API_TASK);
    const before = relay.commits;
    relay.fault = "held";
    const call = router.call("claim-next-task", CLAIM).catch(() => "ended");
    await until("it commits", () => Promise.resolve(relay.commits > before));
    await router.stop();
    expect(await call).toBe("ended");
    expect(await statuses()).toEqual(["Queued"]);
  });

  it("leaves a completion undone likewise, and another isolate does it", async () => {
    const id = await createTask(owner);
    const lease_token = await startTask(id);
    const body = {
      task_id: id,
      lease_token,
      output_location: "https://f.test/a",
    };
    const before = relay.commits;
    relay.fault = "held";
    const call = router.call("complete-task", body).catch(() => "ended");
    await until("it commits", () => Promise.resolve(relay.commits > before));
    await router.stop();
    expect(await call).toBe("ended");
    expect(await readTask(id)).toMatchObject({ status: "In Progress" });

    const other = await startRouter();
    const reply = await other.call("complete-task", body);
    await other.stop();
    expect(reply.status, reply.text).toBe(200);
    expect(await endings(id)).toBe(1);
  });
});

describe("two isolates", () => {
  it("hand out each task once", async () => {
    const ids = await createTasks(owner, 24, API_TASK);
    const other = await startRouter();
    const claims = await Promise.all(
      Array.from(
        { length: 30 },
        (_, n) => (n % 2 ? router : other).call("claim-next-task", CLAIM),
      ),
    );
    await other.stop();
    const taken = claims.filter(({ status }) => status === 200)
      .map(({ json }) => (json as { task_id: string }).task_id);
    expect(taken.toSorted()).toEqual(ids.toSorted());
  });
});

async function statuses(): Promise<string[]> {
  const rows = await admin()<{ status: string }[]>`
    select status from public.tasks order by status
  `;
  return rows.map(({ status }) => status);
}

/** How often the task has become Complete. */
async function endings(id: string): Promise<number> {
  const rows = await admin()`
    select from public.task_events
    where task_id = ${id} and to_status = 'Complete' and from_status <> 'Complete'
  `;
  return rows.length;
}
