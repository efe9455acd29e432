import type { LogLine } from "../beat.ts";
import type { ClaimedTask, ClaimRequest } from "../claim.ts";

/** A task in hand; the token proves which start of it is spoken of. */
export type Lease = Pick<ClaimedTask, "task_id" | "lease_token">;

/** A claimed task, and its JSON text: there also numbers beyond 2^53 are right. */
export interface Claim extends ClaimedTask {
  readonly text: string;
}

/** What a finished task leaves. */
export interface Output {
  readonly output_location?: string;
  readonly thumbnail_url?: string;
  readonly result_data?: Readonly<Record<string, unknown>>;
}

/** What went wrong. */
export interface Failure {
  readonly error_message: string;
  readonly error_details?: string;
  /** False: no other try. */
  readonly retryable?: boolean;
}

/** A sign of life, and what it brings along. */
export interface Beat {
  readonly worker_id: string;
  /** One of the tasks that run; the reply says whether it is to stop. */
  readonly task_id?: string;
  /**
   * All that this worker runs. From a token: nothing else is shown to live, so
   * that what an earlier process of this name has lost is missed.
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
