import { beat } from "./endpoints/beat.ts";
import { claimNextTask } from "./endpoints/claim-next-task.ts";
import { completeTask } from "./endpoints/complete-task.ts";
import { createTask } from "./endpoints/create-task.ts";
import { generateUploadUrl } from "./endpoints/generate-upload-url.ts";
import { ONE_CALL } from "./endpoints/one-call.ts";
import { sweepFiles } from "./endpoints/sweep-files.ts";
import { taskCounts } from "./endpoints/task-counts.ts";
import { updateTaskStatus } from "./endpoints/update-task-status.ts";
import type { CreateHandler } from "./frame/endpoint.ts";

/**
 * Every endpoint by its name: the index for readers, and for tests that serve
 * them all. The deployed functions do not import it, so that an instance that
 * starts loads no more than it serves.
 */
export const ENDPOINTS = {
  ...ONE_CALL,
  "beat": beat,
  "claim-next-task": claimNextTask,
  "complete-task": completeTask,
  "create-task": createTask,
  "generate-upload-url": generateUploadUrl,
  "sweep-files": sweepFiles,
  "task-counts": taskCounts,
  "update-task-status": updateTaskStatus,
} as const satisfies Readonly<Record<string, CreateHandler>>;

/** What only the fleet's clients ask for and its database answers. */
const OF_THE_FLEET: readonly string[] = [
  "get-completed-segments",
  "update-shot-pair-prompts",
];

/** Every endpoint that a guest's database answers. */
export const ENDPOINTS_OF_GUESTS: Readonly<Record<string, CreateHandler>> =
  Object.fromEntries(
    Object.entries(ENDPOINTS).filter(([name]) => !OF_THE_FLEET.includes(name)),
  );
