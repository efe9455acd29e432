import type { z } from "zod";
import { BeatReply, BeatRequest } from "./beat.ts";
import { CancelTasksReply, CancelTasksRequest } from "./cancel-tasks.ts";
import { ClaimedTask, ClaimPreview, ClaimRequest } from "./claim.ts";
import { CompleteReply, CompleteRequest } from "./complete.ts";
import { CountsReply, CountsRequest } from "./counts.ts";
import {
  CreateBatch,
  CreateBatchReply,
  CreateReply,
  NewTask,
} from "./create.ts";
import type { ErrorCode } from "./error-codes.ts";
import {
  ExplainRequest,
  TaskExplanation,
  WorkerExplanation,
} from "./explain.ts";
import { MarkFailedReply, MarkFailedRequest } from "./mark-failed.ts";
import { ChildrenReply, ChildrenRequest } from "./orchestrator-children.ts";
import { PredecessorReply, PredecessorRequest } from "./predecessor.ts";
import { SegmentsReply, SegmentsRequest } from "./segments.ts";
import { ShotPromptsRequest } from "./shot-prompts.ts";
import {
  TaskOutputReply,
  TaskQuestion,
  TaskStatusReply,
} from "./task-reads.ts";
import { SweepFilesReply, SweepFilesRequest } from "./sweep-files.ts";
import { UploadUrlReply, UploadUrlRequest } from "./upload-url.ts";
import { HealthReply, HealthRequest } from "./health.ts";
import { WorkerHealthReply, WorkerHealthRequest } from "./worker-health.ts";
import { UpdateStatusReply, UpdateStatusRequest } from "./update-status.ts";
import { WorkerModelReply, WorkerModelRequest } from "./worker-model.ts";

/** Who may call: a service key, a personal access token, a signed-in user. */
export type CallerKind = "service" | "token" | "user";

/** The contract of one endpoint. */
export interface EndpointEntry {
  readonly summary: string;
  readonly callers: readonly CallerKind[];
  /** The forms of the body; a body must fit one of them. */
  readonly requests: readonly z.ZodType[];
  /** The forms of a 200; none = it never answers 200. */
  readonly replies: readonly z.ZodType[];
  /** True: it may also answer 204. */
  readonly mayBeEmpty?: boolean;
  /** True: also by GET, with the fields of the body in the query. */
  readonly answersGet?: boolean;
  /** In addition to the codes of every endpoint. */
  readonly errors: readonly ErrorCode[];
}

const EVERYONE: readonly CallerKind[] = ["service", "token", "user"];
const ENDS_A_TASK: readonly ErrorCode[] = [
  "TASK_NOT_FOUND",
  "LEASE_LOST",
  "ILLEGAL_TRANSITION",
];

const COMPLETE: EndpointEntry = {
  summary: "Completes a task; a repeat gets the first result again",
  callers: EVERYONE,
  requests: [CompleteRequest],
  replies: [CompleteReply],
  errors: [...ENDS_A_TASK, "FILE_EMPTY", "FILE_NOT_FOUND"],
};

/** Every endpoint by its name: what docs/openapi.json and docs/http-api.md are made from. */
export const ENDPOINTS: Readonly<Record<string, EndpointEntry>> = {
  "beat": {
    summary: "Takes a worker's heartbeat, or its last one, with log lines",
    callers: ["service", "token"],
    requests: [BeatRequest],
    replies: [BeatReply],
    errors: [],
  },
  "claim-next-task": {
    summary: "Hands out the next task, or 204 when there is none",
    callers: ["service", "token"],
    requests: [ClaimRequest],
    replies: [ClaimedTask, ClaimPreview],
    mayBeEmpty: true,
    errors: ["WORKER_NOT_ELIGIBLE", "CLAIM_ID_USED"],
  },
  "complete-task": COMPLETE,
  "complete_task": COMPLETE,
  "create-task": {
    summary: "Enqueues one task or several; a repeat enqueues nothing again",
    callers: EVERYONE,
    requests: [NewTask, CreateBatch],
    replies: [CreateReply, CreateBatchReply],
    errors: [
      "PROJECT_REQUIRED",
      "OWNER_UNKNOWN",
      "PROJECT_NOT_FOUND",
      "TASK_ID_TAKEN",
      "DEPENDENCY_CYCLE",
      "PARAMS_TOO_LARGE",
      "QUEUE_FULL",
    ],
  },
  "explain": {
    summary: "Why a task is not running, or why a worker gets nothing",
    callers: EVERYONE,
    requests: [ExplainRequest],
    replies: [TaskExplanation, WorkerExplanation],
    errors: ["TASK_NOT_FOUND"],
  },
  "generate-upload-url": {
    summary: "Returns a URL to upload a file of a running task to",
    callers: EVERYONE,
    requests: [UploadUrlRequest],
    replies: [UploadUrlReply],
    errors: ENDS_A_TASK,
  },
  "get-completed-segments": {
    summary: "The finished segments of a run",
    callers: EVERYONE,
    requests: [SegmentsRequest],
    replies: [SegmentsReply],
    errors: [],
  },
  "cancel-tasks": {
    summary: "Cancels many tasks, up to a thousand a call",
    callers: EVERYONE,
    requests: [CancelTasksRequest],
    replies: [CancelTasksReply],
    errors: [],
  },
  "get-orchestrator-children": {
    summary: "The tasks that an orchestrator has enqueued",
    callers: EVERYONE,
    requests: [ChildrenRequest],
    replies: [ChildrenReply],
    errors: ["TASK_NOT_FOUND"],
  },
  "get-predecessor-output": {
    summary: "The output that a task builds on; null when it waits for none",
    callers: EVERYONE,
    requests: [PredecessorRequest],
    replies: [PredecessorReply],
    errors: ["TASK_NOT_FOUND"],
  },
  "get-task-output": {
    summary: "Output, params and result data of a task",
    callers: EVERYONE,
    requests: [TaskQuestion],
    replies: [TaskOutputReply],
    errors: ["TASK_NOT_FOUND"],
  },
  "get-task-status": {
    summary: "Status of a task",
    callers: EVERYONE,
    requests: [TaskQuestion],
    replies: [TaskStatusReply],
    errors: ["TASK_NOT_FOUND"],
  },
  "mark-task-failed": {
    summary:
      "Reports a failure; the task is tried again while attempts are left",
    callers: EVERYONE,
    requests: [MarkFailedRequest],
    replies: [MarkFailedReply],
    errors: ENDS_A_TASK,
  },
  "task-counts": {
    summary: "Counts what is claimable, running and blocked, in one snapshot",
    callers: EVERYONE,
    requests: [CountsRequest],
    replies: [CountsReply],
    errors: [],
    answersGet: true,
  },
  "update-shot-pair-prompts": {
    summary: "Not served: this queue keeps no shots",
    callers: EVERYONE,
    requests: [ShotPromptsRequest],
    replies: [],
    errors: ["NOT_SUPPORTED"],
  },
  "update-task-status": {
    summary: "Reports progress, a result or a failure, or releases the task",
    callers: EVERYONE,
    requests: [UpdateStatusRequest],
    replies: [UpdateStatusReply],
    errors: [...ENDS_A_TASK, "NOT_THE_HOLDER", "FILE_EMPTY"],
  },
  "update-worker-model": {
    summary: "Records which model a worker has loaded",
    callers: ["service"],
    requests: [WorkerModelRequest],
    replies: [WorkerModelReply],
    errors: ["WORKER_NOT_FOUND"],
  },
  "health": {
    summary: "Whether the queue's own jobs run and its counters agree",
    callers: ["service"],
    requests: [HealthRequest],
    replies: [HealthReply],
    errors: [],
  },
  "sweep-files": {
    summary: "Removes the files that tasks without a result have left",
    callers: ["service"],
    requests: [SweepFilesRequest],
    replies: [SweepFilesReply],
    errors: [],
  },
  "worker-health": {
    summary: "State of each worker, failures, and whether to rent more",
    callers: ["service"],
    requests: [WorkerHealthRequest],
    replies: [WorkerHealthReply],
    errors: [],
  },
};
