import { expect } from "vitest";
import { ClaimedTask } from "../../shared/claim.ts";
import { WorkerHealthReply } from "../../shared/worker-health.ts";
import { admin } from "./db.ts";
import { callFunction, callRpc } from "./http.ts";
import { expectOk } from "./replies.ts";
import { rest } from "./rest.ts";
import { stack } from "./stack.ts";

/** A log line as the guardian of a worker sends it. */
export interface LogLine {
  readonly level?: string;
  readonly message: string;
  readonly task_id?: string;
  /** By the worker's own clock; absent = that of this process. */
  readonly timestamp?: string;
}

/**
 * The row that the deployed orchestrator makes before it rents a machine; `more`
 * is what its date writes into metadata besides.
 */
export async function spawnWorker(
  id: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const reply = await rest("POST", "workers", {}, {
    body: {
      id,
      instance_type: "NVIDIA GeForce RTX 4090",
      status: "inactive",
      metadata: {
        orchestrator_status: "spawning",
        runpod_id: `pod-${id}`,
        ...more,
      },
    },
  });
  expect(reply.status, reply.text).toBe(201);
}

/** One beat, as the guardian sends it: by `apikey` alone. */
export async function beat(
  workerId: string,
  logs: readonly LogLine[] = [],
  status: "active" | "crashed" = "active",
): Promise<Record<string, unknown>> {
  const reply = await callRpc("func_worker_heartbeat_with_logs", {
    worker_id_param: workerId,
    vram_total_mb_param: 24_564,
    vram_used_mb_param: 1_024,
    status_param: status,
    logs_param: logs.map((line) => ({
      timestamp: new Date().toISOString(),
      level: "INFO",
      task_id: null,
      metadata: {},
      ...line,
    })),
  }, { headers: { apikey: stack().serviceRoleKey } });
  expect(reply.json, reply.text).toMatchObject({ success: true });
  return reply.json as Record<string, unknown>;
}

/** Claims as a deployed gpu worker; null when there is nothing. */
export async function claimAs(workerId: string): Promise<ClaimedTask | null> {
  const reply = await callFunction("claim-next-task", {
    worker_id: workerId,
    run_type: "gpu",
  }, { key: stack().serviceRoleKey });
  if (reply.status === 204) return null;
  expect(reply.status, reply.text).toBe(200);
  return ClaimedTask.parse(reply.json);
}

/** What pg_cron calls each minute, called by hand: tests own the clock. */
export async function runJob(job: string): Promise<Record<string, unknown>> {
  const [run] = await admin()<{ result: Record<string, unknown> }[]>`
    select fairlane_core.run_job(${job}) as result
  `;
  return run?.result ?? {};
}

/** The workers that have failed, as an autoscaler is told. */
export async function failedWorkers(): Promise<string[]> {
  const key = stack().serviceRoleKey;
  const reply = await callFunction("worker-health", {}, { key });
  const { failures } = expectOk(reply, WorkerHealthReply);
  expect(failures.failed_workers).toHaveLength(failures.workers_failed);
  return failures.failed_workers.map(({ worker_id }) => worker_id).toSorted();
}

/** The story of a task, in order, as `from -> to: reason`. */
export async function storyOf(taskId: string): Promise<string[]> {
  const events = await admin()<{ line: string }[]>`
    select concat(coalesce(from_status, '-'), ' -> ', to_status, ': ', reason)
      as line
    from public.task_events
    where task_id = ${taskId}
    order by id
  `;
  return events.map(({ line }) => line);
}
