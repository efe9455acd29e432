import type { Claim } from "../shared/client/calls.ts";
import type { QueueClient } from "../shared/client/queue-client.ts";
import type { TaskStatus } from "../shared/task-status.ts";

/** A start of a task, as the worker that got it was told. */
export interface Start {
  readonly taskId: string;
  readonly workerId: string;
  readonly attempt: number;
}

/**
 * What the queue has answered to the demo: one side of the summary. It is
 * written from replies alone and never looks into the database, which is the
 * other side.
 */
export class Ledger {
  readonly enqueued = new Set<string>();
  /** How each task ended. */
  readonly ended = new Map<string, TaskStatus>();
  readonly startedBy: Start[] = [];
  /** Who was told "Complete", by task; more than one entry would be a lie. */
  readonly completedBy = new Map<string, Start[]>();
  readonly generations = new Set<string>();
  /** The most slots that a count has ever shown, by user id. */
  readonly mostSlots = new Map<string, number>();
  /** What the worker that died had in hand. */
  lostStart: Start | undefined;
  /** Put back by the rescue, as its job said. */
  putBack = 0;
  /** Tasks that the last count knew of: claimable, running or waiting. */
  leftOver = Number.POSITIVE_INFINITY;

  get complete(): number {
    return this.#countOf("Complete");
  }

  get failed(): number {
    return this.#countOf("Failed");
  }

  get highestAttempt(): number {
    return Math.max(0, ...this.startedBy.map(({ attempt }) => attempt));
  }

  noteEnqueued(ids: readonly string[]): void {
    for (const id of ids) this.enqueued.add(id);
  }

  noteSlots(userId: string, running: number): void {
    const most = this.mostSlots.get(userId) ?? 0;
    this.mostSlots.set(userId, Math.max(most, running));
  }

  #countOf(status: TaskStatus): number {
    return [...this.ended.values()].filter((end) => end === status).length;
  }
}

/** The kit's client, with every answer entered in the ledger. */
export function witnessed(
  client: QueueClient,
  workerId: string,
  ledger: Ledger,
): QueueClient {
  const attempts = new Map<string, number>();
  const startOf = (taskId: string): Start => ({
    taskId,
    workerId,
    attempt: attempts.get(taskId) ?? 0,
  });
  return {
    ...client,
    async claim(ask) {
      const task = await client.claim(ask);
      if (task !== null) {
        attempts.set(task.task_id, attemptOf(task));
        ledger.startedBy.push(startOf(task.task_id));
      }
      return task;
    },
    async complete(lease, output) {
      const reply = await client.complete(lease, output);
      const { task_id, generation_id } = reply;
      const before = ledger.completedBy.get(task_id) ?? [];
      ledger.completedBy.set(task_id, [...before, startOf(task_id)]);
      ledger.ended.set(task_id, "Complete");
      if (generation_id !== null) ledger.generations.add(generation_id);
      return reply;
    },
    async fail(lease, failure) {
      const reply = await client.fail(lease, failure);
      if (!reply.will_retry) ledger.ended.set(reply.task_id, reply.status);
      return reply;
    },
    async create(task) {
      const reply = await client.create(task);
      ledger.enqueued.add(reply.task_id);
      return reply;
    },
  };
}

/** Which start of the task this is; this queue always says it. */
export function attemptOf({ attempt = 1 }: Claim): number {
  return attempt;
}
