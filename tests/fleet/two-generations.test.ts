/**
 * Old and new clients work off one backlog at the same time: a deployed worker,
 * which names no start, and one made with the kit, which proves each.
 */
import { beforeEach, expect, it } from "vitest";
import { createQueueClient } from "../../shared/client/queue-client.ts";
import { runWorker } from "../../shared/client/worker.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { illegalStarts } from "../support/history.ts";
import { callFunction } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import { createTasks } from "../support/fleet-tasks.ts";
import { createOwner, reset } from "../support/world.ts";

const OLD = "gpu-20260111_120000-0a1b2c3d";
const NEW = "worker-of-tomorrow";
const TASKS = 24;

beforeEach(reset);

it("each task is done once, by one of the two, and both do some", async () => {
  for (let i = 0; i < 3; i++) {
    await createTasks(await createOwner(), TASKS / 3);
  }
  const stop = new AbortController();
  const young = runWorker({
    client: createQueueClient({ url: stack().apiUrl, key: stack().secretKey }),
    workerId: NEW,
    stop: stop.signal,
    pollMs: 50,
    handle: ({ task_id }) =>
      Promise.resolve({ output_location: `${NEW}/${task_id}` }),
  });
  await untilEmpty();
  stop.abort();
  await young;

  const done = await admin()<{ worker_id: string; is_own: boolean }[]>`
    select
      t.worker_id,
      t.status = 'Complete' and t.attempts = 1
        and t.output_location = t.worker_id || '/' || t.id
        and g.location = t.output_location as is_own
    from public.tasks as t
      join public.generations as g on g.task_id = t.id
  `;
  expect(done).toHaveLength(TASKS);
  expect(done.filter(({ is_own }) => !is_own)).toEqual([]);
  expect([...new Set(done.map(({ worker_id }) => worker_id))].toSorted())
    .toEqual([OLD, NEW].toSorted());
  expect(await illegalStarts(5)).toEqual([]);
  expect(await counterDrift()).toEqual([]);
});

/** The deployed worker's loop, until there is nothing left for anybody. */
async function untilEmpty(): Promise<void> {
  for (;;) {
    const claimed = await edge("claim-next-task", {
      worker_id: OLD,
      run_type: "gpu",
    });
    if (claimed.status === 204) {
      const counted = await edge("task-counts", { run_type: "gpu" });
      const { totals } = counted.json as {
        totals: { queued_plus_active: number };
      };
      if (totals.queued_plus_active === 0) return;
      continue;
    }
    const { task_id } = claimed.json as { task_id: string };
    const output_location = `${OLD}/${task_id}`;
    const ended = await edge("complete_task", { task_id, output_location });
    expect(ended.status, ended.text).toBe(200);
  }
}

function edge(name: string, body: unknown) {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}
