import type { LogLine } from "../beat.ts";
import { isLeaseLost, LeaseLostError, QueueError } from "./errors.ts";
import type { QueueClient } from "./queue-client.ts";
import type { TaskRun } from "./task-run.ts";

const MAX_LINES = 1000;
const LINES_PER_BEAT = 100;

/** Sends a worker's heartbeats, and tells its tasks when to stop. */
export interface SignsOfLife {
  /** Keeps a line for the next heartbeat; a flood drops the oldest. */
  log(taskId: string, message: string): void;
  /** One heartbeat for everything that runs. Throws when it fails. */
  show(): Promise<void>;
  /** The last one: the worker ends itself. */
  leave(): Promise<void>;
}

/** With a service key or a token: one heartbeat for the whole worker, with its log lines. */
export function beats(
  client: QueueClient,
  workerId: string,
  runs: ReadonlyMap<string, TaskRun>,
): SignsOfLife {
  const lines: LogLine[] = [];
  let turn = 0;
  return {
    log(task_id, message) {
      const timestamp = new Date().toISOString();
      lines.push({ timestamp, level: "INFO", message, task_id });
      if (lines.length > MAX_LINES) lines.shift();
    },
    async show() {
      // A heartbeat names one task, so they take turns.
      const named = [...runs.keys()].at(turn++ % Math.max(runs.size, 1));
      const logs = lines.splice(0, LINES_PER_BEAT);
      try {
        const reply = await client.beat({
          worker_id: workerId,
          logs,
          task_ids: [...runs.keys()],
          ...(named === undefined ? {} : { task_id: named }),
        });
        for (const { task_id, reason } of reply.stop) {
          runs.get(task_id)?.cut.abort(new LeaseLostError(reason));
        }
      } catch (error) {
        // What was refused once would be refused again.
        if (!(error instanceof QueueError)) lines.unshift(...logs);
        throw error;
      }
    },
    async leave() {
      const logs = lines.splice(0, LINES_PER_BEAT);
      await client.beat({ worker_id: workerId, logs, isLast: true });
    },
  };
}

/** With a user's JWT: a report per task; a refusal means that it is lost. */
export function reports(
  client: QueueClient,
  runs: ReadonlyMap<string, TaskRun>,
): SignsOfLife {
  return {
    log: () => {},
    async show() {
      await Promise.all([...runs.values()].map(async ({ task, cut }) => {
        try {
          await client.report(task);
        } catch (error) {
          if (!isLeaseLost(error)) throw error;
          cut.abort(new LeaseLostError(error.message));
        }
      }));
    },
    // No heartbeats, no goodbye.
    leave: () => Promise.resolve(),
  };
}
