/**
 * A machine under a name that several share has ended, the others beat on under
 * it: what its own last beat named it does not work on any more, and the word of
 * the next holder counts. What others may have run under the name, they may.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { beatBody, sayLast } from "../support/beats.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin, closeConnections } from "../support/db.ts";
import { beat, runJob, spawnWorker, storyOf } from "../support/fleet.ts";
import { holdTasks, isOpen } from "../support/holding.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, readTask, reset } from "../support/world.ts";
import { claimOf } from "./clients/retry-since-january.ts";
import { Wire } from "./clients/wire.ts";

const SHARED = "local-worker";
const NEXT = "gpu-20260411_101010-dddd0002";
const ERROR = "ValueError: the real reason";

let task: string;
let wire: Wire;

beforeEach(async () => {
  await resetClock();
  await reset();
  task = await createTask(await createOwner());
  wire = new Wire(stack().apiUrl);
  await spawnWorker(NEXT);
  await beat(NEXT);
  await beat(SHARED);
  await claim(SHARED);
  const begun = await wire.edge("update-task-status", {
    task_id: task,
    status: "In Progress",
    reset_generation_started_at: true,
  });
  expect(begun.status, begun.text).toBe(200);
});
// A transaction that a failed test left open would block the next reset.
afterEach(async () => {
  await closeConnections();
  await resetClock();
});

describe.each(["terminated", "crashed"])(
  "a failure after a machine under a shared name that %s",
  (status_param) => {
    it("counts, if the machine named the task in its last beat", async () => {
      await sayLast(
        beatBody(SHARED, [], { status_param, current_task_id_param: task }),
      );
      expect(await next()).toMatchObject({ changed: true });
      expect(await readTask(task))
        .toMatchObject({ status: "Failed", error_message: ERROR });
    });

    it("counts, if somebody held the task just then", async () => {
      const holder = await holdTasks(task);
      await sayLast(
        beatBody(SHARED, [], { status_param, current_task_id_param: task }),
      );
      expect(await isOpen(holder)).toBe(true);
      await holder`rollback`;
      await runJob("rescue");
      expect(await next()).toMatchObject({ changed: true });
      expect(await readTask(task))
        .toMatchObject({ status: "Failed", error_message: ERROR });
    });

    it("is only recorded, if another one may be at work on it", async () => {
      await sayLast(beatBody(SHARED, [], { status_param }));
      for (let minute = 1; minute <= 6; minute++) {
        await stepClock("1 minute");
        await beat(NEXT);
        await beat(SHARED);
        await runJob("rescue");
      }
      expect(await next()).toMatchObject({ changed: false });
      expect(await readTask(task))
        .toMatchObject({ status: "In Progress", worker_id: NEXT });
      expect((await storyOf(task)).at(-1)).toContain(ERROR);
    });
  },
);

/** The next one takes the task, and says that it failed, without a lease. */
async function next(): Promise<unknown> {
  await beat(SHARED);
  await claim(NEXT);
  const reply = await wire.edge("update-task-status", {
    task_id: task,
    status: "Failed",
    output_location: ERROR,
  });
  expect(reply.status, reply.text).toBe(200);
  return reply.json;
}

async function claim(worker: string): Promise<void> {
  await admin()`update public.tasks set available_at = null where id = ${task}`;
  expect(await claimOf(wire, worker)).toMatchObject({ task_id: task });
}
