import { expect } from "vitest";
import { beatBody, curl, GOODBYE } from "../../support/beats.ts";
import { runJob } from "../../support/fleet.ts";
import { callFunction } from "../../support/http.ts";
import { RESET } from "../../support/resets.ts";
import { rest, SINGLE } from "../../support/rest.ts";
import { stack } from "../../support/stack.ts";
import { ROUTED } from "./scaling.ts";

/** Who is looked at: a worker, and the task that it holds, if any. */
export interface Scene {
  readonly workerId: string;
  readonly taskId: string;
  /** The clock of the orchestrator, which follows that of the database. */
  readonly now: () => Date;
}

/**
 * What a program does: it looks, and then it writes by what it saw. Writing, it
 * says which tasks it requeued.
 */
export type Move = (scene: Scene) => Promise<() => Promise<string[]>>;

/** What a reset has read of a task. */
interface Row {
  readonly id: string;
  readonly attempts?: number;
}

/** What the orchestrators' resets say, up to what they count. */
export const RESET_WORDS = {
  "O1 resets orphans": "Reset - orphaned from failed worker",
  "O1 resets what is stale": "Reset - no activity for 30 minutes (stale task)",
  "O1 resets by API timeout": "Reset - orphaned from API worker timeout",
  "O4 resets at its start": "Reset on startup - orphaned from worker restart",
} as const;

/** The orchestrators' own moves: docs/contract.md, 4.2, 18 and 19. */
export const ORCHESTRATORS = {
  "O1 resets orphans": reset(
    ({ workerId }) => ({
      select: "id,task_type",
      worker_id: `in.(${workerId})`,
      attempts: "lt.3",
    }),
    ({ id }) => ({ id: `in.(${id})` }),
    () => ({ error_message: RESET_WORDS["O1 resets orphans"] }),
  ),
  "O1 resets what is stale": reset(
    ({ now }) => ({
      select: "id,task_type,worker_id",
      worker_id: ["not.is.null", "not.like.api-worker-%"],
      updated_at: `lt.${minutesBefore(now(), 30)}`,
      attempts: "lt.3",
    }),
    ({ id }) => ({ id: `in.(${id})` }),
    () => ({ error_message: RESET_WORDS["O1 resets what is stale"] }),
  ),
  "O1 resets by API timeout": reset(
    ({ now }) => ({
      select: "id,task_type,worker_id,attempts",
      worker_id: "like.api-worker-%",
      generation_started_at: `lt.${minutesBefore(now(), 7)}`,
      attempts: "lt.3",
    }),
    ({ id }) => ({ id: `eq.${id}` }),
    (row) => counted("O1 resets by API timeout", row),
  ),
  "O4 resets at its start": reset(
    ({ workerId }) => ({
      select: "id,attempts",
      worker_id: `eq.${workerId}`,
    }),
    ({ id }) => ({ id: `eq.${id}`, attempts: "lt.3" }),
    (row) => counted("O4 resets at its start", row),
  ),
  "O1 sets to error": patch("error", {
    orchestrator_status: "error",
    error_reason: "Stale heartbeat with active tasks",
    error_time: "2026-01-11T12:00:00+00:00",
  }),
  "O2 sets to error": patch("error", {
    orchestrator_status: "error",
    error_reason: "No RunPod ID",
    error_time: "2026-01-22T12:00:00+00:00",
  }),
  "O1 marks as terminating": patch("terminating", {
    orchestrator_status: "terminating",
  }),
  "O1 terminates": patch("terminated", {
    orchestrator_status: "terminated",
    terminated_at: "2026-01-11T12:00:00+00:00",
  }),
  "O4 terminates": patch("terminated", {
    ...ROUTED,
    orchestrator_status: "terminated",
    termination_reason: "over_capacity",
    terminated_at: "2026-05-16T12:00:00+00:00",
  }),
  "O2 promotes": patch("active", {
    orchestrator_status: "active",
    promoted_to_active_at: "2026-01-22T12:00:00+00:00",
  }),
} as const satisfies Record<string, Move>;

/** All that pg_cron runs, but the rescue. */
const OTHER_JOBS = [
  "sweep",
  "settle",
  "repair_orchestrations",
  "advance_status_totals",
  "cleanup",
  "purge",
  "reconcile",
];

/** What happens beside: the queue's jobs, the worker's last and late words. */
export const OTHERS = {
  "the rescue": job("rescue"),
  "the other jobs": () =>
    Promise.resolve(async () => {
      for (const name of OTHER_JOBS) await run(name);
      return [];
    }),
  "a beat": beat((id) => beatBody(id)),
  "a last beat, crashed": beat((id) =>
    beatBody(id, [], { status_param: "crashed" })
  ),
  "a last beat, terminated": beat((id) => beatBody(id, [], GOODBYE)),
  "a late result": report("complete_task", {
    output_location: "https://files.test/a.mp4",
  }),
  "a late failure": report("update-task-status", {
    status: "Failed",
    output_location: "CUDA out of memory",
  }),
} as const satisfies Record<string, Move>;

/** They look at all workers and tasks, whoever is meant. */
export const JOBS: ReadonlySet<keyof typeof OTHERS> = new Set([
  "the rescue",
  "the other jobs",
]);

/** Reads what runs and is lost, as it sees it; then a PATCH by id for each. */
function reset(
  lost: (scene: Scene) => Record<string, string | readonly string[]>,
  one: (row: Row) => Record<string, string>,
  words: (row: Row) => Record<string, unknown>,
): Move {
  return async (scene) => {
    const query = new URLSearchParams({ status: "eq.In Progress" });
    for (const [name, filters] of Object.entries(lost(scene))) {
      for (const filter of [filters].flat()) query.append(name, filter);
    }
    const found = await rest("GET", "tasks", query);
    expect(found.status, found.text).toBe(200);
    return async () => {
      const putBack: string[] = [];
      for (const row of found.json as Row[]) {
        const body = { ...RESET, ...words(row) };
        const reply = await rest("PATCH", "tasks", one(row), { body });
        expect(reply.status, reply.text).toBe(200);
        putBack.push(...(reply.json as Row[]).map(({ id }) => id));
      }
      return putBack;
    };
  };
}

/** The words of a reset that also writes how often it was. */
function counted(name: keyof typeof RESET_WORDS, { attempts = 0 }: Row) {
  return {
    attempts: attempts + 1,
    error_message: `${RESET_WORDS[name]} (attempt ${attempts + 1}/3)`,
  };
}

/** Reads the metadata, changes it, and writes status and metadata whole. */
function patch(status: string, keys: Record<string, unknown>): Move {
  return async ({ workerId }) => {
    const query = { select: "metadata", id: `eq.${workerId}` };
    const { json } = await rest("GET", "workers", query, { headers: SINGLE });
    const { metadata } = json as { metadata: Record<string, unknown> };
    return async () => {
      const body = { status, metadata: { ...metadata, ...keys } };
      const reply = await rest("PATCH", "workers", { id: `eq.${workerId}` }, {
        body,
      });
      expect(reply.status, reply.text).toBe(200);
      // Without its row it has written nothing.
      expect(reply.json).toMatchObject([{ id: workerId }]);
      return [];
    };
  };
}

function job(name: string): Move {
  return () =>
    Promise.resolve(async () => {
      await run(name);
      return [];
    });
}

async function run(name: string): Promise<void> {
  expect(await runJob(name), name).not.toHaveProperty("error");
}

function beat(bodyOf: (workerId: string) => object): Move {
  return ({ workerId }) =>
    Promise.resolve(async () => {
      const body = bodyOf(workerId);
      const reply = await curl("func_worker_heartbeat_with_logs", body);
      expect(reply.json, reply.text).toMatchObject({ success: true });
      return [];
    });
}

function report(name: string, body: Record<string, unknown>): Move {
  return ({ taskId }) =>
    Promise.resolve(async () => {
      const key = stack().serviceRoleKey;
      const reply = await callFunction(name, { task_id: taskId, ...body }, {
        key,
      });
      expect(reply.status, reply.text).toBe(200);
      return [];
    });
}

function minutesBefore(now: Date, minutes: number): string {
  return new Date(now.getTime() - minutes * 60_000).toISOString()
    .replace("Z", "+00:00");
}
