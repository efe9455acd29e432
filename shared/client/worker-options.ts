import type { Pool } from "../claim.ts";
import type { Claim, Output } from "./calls.ts";
import type { QueueClient } from "./queue-client.ts";
import type { Runtime } from "./runtime.ts";

/** What a handler is given beside the task. */
export interface TaskContext {
  /** Aborts with LeaseLostError (let go) or ShuttingDown (stop soon). */
  readonly signal: AbortSignal;
  /** A line for the queue's log, sent with the next heartbeat. */
  log(message: string): void;
  /** Reports progress that users can read. Not for orchestrators. */
  progress(text: string): Promise<void>;
}

/** A task that stays In Progress: all its children are enqueued. */
export interface Enqueued {
  readonly enqueued: string;
}

/**
 * Does the work of one task. What it returns is stored; what it throws is the
 * reason of the failure, and NonRetryableError means: do not try again.
 */
export type Handler = (
  task: Claim,
  context: TaskContext,
) => Promise<Output | Enqueued>;

/** Something that happened to a worker, for its own log. */
export interface WorkerEvent {
  readonly event:
    | "claimed"
    /** Nothing to claim; reported once, until there is work again. */
    | "waiting"
    | "completed"
    | "enqueued"
    | "failed"
    | "handed back"
    /** No longer this worker's; the result is dropped. */
    | "dropped"
    /** Unknown whether the queue has received it. */
    | "unheard";
  readonly task_id?: string;
  readonly detail?: string;
}

/** The options of a worker. */
export interface WorkerOptions {
  readonly client: QueueClient;
  readonly workerId: string;
  readonly handle: Handler;
  /** Aborts: no more claims, running tasks go back, then the end. */
  readonly stop: AbortSignal;
  readonly pool?: Pool;
  /** Tasks at once; the gpu pool gives a worker one. */
  readonly concurrency?: number;
  /**
   * `beats` with a service key or a token. A user's JWT may not send heartbeats:
   * it reports each task instead.
   */
  readonly signsOfLife?: "beats" | "reports";
  readonly pollMs?: number;
  readonly signMs?: number;
  /** How long a handler may go on after its signal. */
  readonly graceMs?: number;
  readonly onEvent?: (event: WorkerEvent) => void;
  readonly runtime?: Runtime;
}
