import { beforeEach, describe, expect, it } from "vitest";
import { createQueueClient } from "../../shared/client/queue-client.ts";
import { type Runtime, webRuntime } from "../../shared/client/runtime.ts";
import { runWorker } from "../../shared/client/worker.ts";
import type { WorkerEvent } from "../../shared/client/worker-options.ts";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import { createOwner, createTasks, readTask, reset } from "../support/world.ts";

beforeEach(reset);

/** The real network, but every second reply gets lost; pauses are short. */
function losesReplies(): Runtime {
  let replies = 0;
  return {
    ...webRuntime,
    async fetch(url, init) {
      const response = await fetch(url, init);
      await response.clone().text();
      if (++replies % 2 === 0) throw new TypeError("fetch failed");
      return response;
    },
    wait: (ms, until) => webRuntime.wait(Math.min(ms, 20), until),
  };
}

function client() {
  const { apiUrl: url, secretKey: key } = stack();
  return createQueueClient({ url, key, runtime: losesReplies() });
}

describe("the kit for workers, when every second reply gets lost", () => {
  it("does every task once, in one attempt each", async () => {
    const ids = await createTasks(await createOwner(), 6);
    const stop = new AbortController();
    const events: WorkerEvent[] = [];
    const handled: string[] = [];
    await runWorker({
      client: client(),
      workerId: "w",
      stop: stop.signal,
      runtime: losesReplies(),
      handle({ task_id }) {
        handled.push(task_id);
        return Promise.resolve({ output_location: task_id });
      },
      onEvent(event) {
        events.push(event);
        const done = events.filter((one) => one.event === "completed");
        if (done.length === ids.length) stop.abort();
      },
    });
    expect(handled.toSorted()).toEqual(ids.toSorted());
    for (const id of ids) {
      expect(await readTask(id)).toMatchObject({
        status: "Complete",
        attempts: 1,
        output_location: id,
      });
    }
    const [made] = await admin()`select count(*)::int from public.generations`;
    expect(made).toEqual({ count: ids.length });
  });

  it("says goodbye when it is told to stop, and is not missed", async () => {
    const stop = new AbortController();
    const { apiUrl: url, secretKey: key } = stack();
    await runWorker({
      client: createQueueClient({ url, key }),
      workerId: "w",
      stop: stop.signal,
      handle: () => Promise.resolve({}),
      onEvent: () => stop.abort(),
    });
    const [row] = await admin()`
      select status, failed_at, goodbye_at is not null as has_left
      from public.workers
    `;
    expect(row).toEqual({
      status: "terminated",
      failed_at: null,
      has_left: true,
    });
  });

  it("enqueues a task once", async () => {
    const { projectId: project_id } = await createOwner();
    const kit = client();
    for (let i = 0; i < 4; i++) {
      await kit.create({ task_type: "clip", project_id });
    }
    const [made] = await admin()`select count(*)::int from public.tasks`;
    expect(made).toEqual({ count: 4 });
  });

  it("drops a failure that was heard the first time", async () => {
    const [id = ""] = await createTasks(await createOwner(), 1);
    const kit = client();
    const task = await kit.claim({ worker_id: "w" });
    const lost = await kit.fail(task ?? { task_id: id }, {
      error_message: "Out of memory",
    }).catch((error: unknown) => error);
    expect(lost).toMatchObject({ code: "LEASE_LOST" });
    expect(await readTask(id)).toMatchObject({
      status: "Queued",
      readiness: "not_yet",
      error_message: expect.stringContaining("Out of memory"),
    });
  });
});
