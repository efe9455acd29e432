import type { LogLine } from "../beat.ts";
import type { ClaimedTask, ClaimRequest } from "../claim.ts";

/** A task that is held; the lease token proves which attempt is meant. */
export type Lease = Pick<ClaimedTask, "task_id" | "lease_token">;

/** A claimed task, and its JSON text, in which numbers beyond 2^53 are exact. */
export interface Claim extends ClaimedTask {
  readonly text: string;
}

/** The result of a task. */
export interface Output {
  readonly output_location?: string;
  readonly thumbnail_url?: string;
  readonly result_data?: Readonly<Record<string, unknown>>;
}

/** A failure. */
export interface Failure {
  readonly error_message: string;
  readonly error_details?: string;
  /** False: no further attempt. */
  readonly retryable?: boolean;
}

/** A heartbeat and what it carries. */
export interface Beat {
  readonly worker_id: string;
  /** One of the running tasks; the reply says whether it has to stop. */
  readonly task_id?: string;
  /**
   * All that this worker runs. With a token it covers nothing else, so that the
   * tasks which an earlier process of this name has lost are missed.
   */
  readonly task_ids?: readonly string[];
  readonly logs?: readonly LogLine[];
  readonly vram_total_mb?: number;
  readonly vram_used_mb?: number;
  /** The worker ends itself: what it still holds is free at once. */
  readonly isLast?: boolean;
}

/** A claim without `dry_run`. */
export type ClaimAsk = Partial<Omit<ClaimRequest, "dry_run">>;
