/**
 * The same at the same moment: the orchestrator's write has been made and is not
 * committed yet when the other one comes, or the other way round.
 */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { beatOn, GOODBYE } from "../support/beats.ts";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin, adminConnection, as, type Connection } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { beat, failedWorkers, runJob, spawnWorker } from "../support/fleet.ts";
import { isOpen } from "../support/holding.ts";
import { pidOf, sendAndMeet } from "../support/sessions.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, readTask, reset, startTask } from "../support/world.ts";

const W = "gpu-20260411_101010-dddd0002";

let task: string;

beforeEach(async () => {
  await resetClock();
  await reset();
  task = await createTask(await createOwner());
  await spawnWorker(W);
  await beat(W);
  await startTask(task, W);
  await stepClock("101 seconds");
});
afterAll(resetClock);

/** As the orchestrators write, in a transaction that is left open. */
const THEIRS = {
  "a reset": (sql: Connection) =>
    sql`
      update public.tasks
      set status = 'Queued', worker_id = null, generation_started_at = null,
        generation_processed_at = null,
        error_message = 'Reset - orphaned from failed worker'
      where id = ${task}
    `,
  "a termination": (sql: Connection) =>
    sql`
      update public.workers
      set status = 'terminated',
        metadata = metadata || '{"termination_reason": "over_capacity"}'
      where id = ${W}
    `,
  "an error": (sql: Connection) =>
    sql`
      update public.workers
      set status = 'error', metadata = metadata || '{"error_reason": "stale"}'
      where id = ${W}
    `,
} as const;

const OURS = {
  "the rescue": (sql: Connection) =>
    sql`select fairlane_core.run_job('rescue')`,
  "a last beat, crashed": (sql: Connection) =>
    beatOn(sql, W, { status_param: "crashed" }),
  "a last beat, terminated": (sql: Connection) => beatOn(sql, W, GOODBYE),
} as const;

interface Verdict {
  /** Whether the worker has failed. */
  readonly failed: boolean;
  /** How often the start is counted: not if its holder hands it back. */
  readonly attempts: 0 | 1;
}

const FAILS: Verdict = { failed: true, attempts: 1 };
const HANDS_BACK: Verdict = { failed: false, attempts: 0 };

/** What comes of it: when theirs is first, and when ours is. */
const VERDICTS = {
  // A reset says nothing of the worker; what it says of itself stands.
  "a reset": {
    "the rescue": [FAILS, FAILS],
    "a last beat, crashed": [FAILS, FAILS],
    "a last beat, terminated": [{ failed: false, attempts: 1 }, HANDS_BACK],
  },
  // Whoever is ended with its work in hand has failed, unless it hands it back.
  "a termination": {
    "the rescue": [FAILS, FAILS],
    "a last beat, crashed": [FAILS, FAILS],
    "a last beat, terminated": [FAILS, HANDS_BACK],
  },
  "an error": {
    "the rescue": [FAILS, FAILS],
    "a last beat, crashed": [FAILS, FAILS],
    "a last beat, terminated": [FAILS, HANDS_BACK],
  },
} as const satisfies Record<
  keyof typeof THEIRS,
  Record<keyof typeof OURS, readonly [Verdict, Verdict]>
>;

const PAIRS = keysOf(THEIRS).flatMap((theirs) =>
  keysOf(OURS).map((ours) => [theirs, ours] as const)
);

describe("at the same moment", () => {
  it.each(PAIRS)(
    "%s that is not committed, and %s: one end, told once",
    async (theirs, ours) => {
      const [orchestrator, queue] = [as("service_role"), adminConnection()];
      await orchestrator`begin`;
      await THEIRS[theirs](orchestrator);
      // Nobody waits for the orchestrator's transaction.
      await OURS[ours](queue);
      expect(await isOpen(orchestrator)).toBe(true);
      await orchestrator`commit`;
      await decided(VERDICTS[theirs][ours][0]);
    },
  );

  it.each(PAIRS)(
    "%s that comes while %s is not committed: the same",
    async (theirs, ours) => {
      const [orchestrator, queue] = [as("service_role"), adminConnection()];
      const pid = await pidOf(orchestrator);
      await queue`begin`;
      await OURS[ours](queue);
      const { answer, hadToWait } = await sendAndMeet(
        pid,
        THEIRS[theirs](orchestrator),
      );
      expect(hadToWait).toBe(true);
      expect(await isOpen(queue)).toBe(true);
      await queue`commit`;
      await answer;
      await decided(VERDICTS[theirs][ours][1]);
    },
  );
});

async function decided({ failed, attempts }: Verdict): Promise<void> {
  await runJob("rescue");
  const ends = await admin()<{ to: string; worker: string }[]>`
    select to_status as to, worker_id as worker from public.task_events
    where task_id = ${task}
      and from_status = 'In Progress' and to_status <> 'In Progress'
  `;
  expect([...ends]).toEqual([{ to: "Queued", worker: W }]);
  expect(await readTask(task))
    .toMatchObject({ status: "Queued", worker_id: null, attempts });
  expect(await failedWorkers()).toEqual(failed ? [W] : []);
  expect(await counterDrift()).toEqual([]);
}

function keysOf<T extends object>(table: T): (keyof T & string)[] {
  return Object.keys(table) as (keyof T & string)[];
}
