import { z } from "zod";
import { Pool } from "./claim.ts";
import { name, optional, Uuid } from "./fields.ts";

/** Body of `POST /explain`: about one task, or about one worker. */
export const ExplainRequest = z.object({
  task_id: optional(Uuid).describe("Either a task …"),
  worker_id: optional(name(200)).describe("… or a worker"),
  run_type: optional(Pool).meta({
    description: "With `worker_id`: the pool it claims from",
    default: "gpu",
  }),
}).refine(
  (body) => (body.task_id === undefined) !== (body.worker_id === undefined),
  { error: "needs either task_id or worker_id" },
);
export type ExplainRequest = z.infer<typeof ExplainRequest>;

/** Reply about a task: why it is not running, and its place in the queue. */
export const TaskExplanation = z.looseObject({
  task_id: z.guid(),
  status: z.string(),
  claimable: z.boolean(),
  reason: z.string().nullable().describe(
    "The one reason why a queued task waits; null when nothing holds it back",
  ),
  remedy: z.string().describe("What would have to change, in words"),
  pool: Pool,
  runs_on_own_gpu: z.boolean().describe(
    "Of another pool, but its owner's GPU machines run it too",
  ),
  attempts: z.int(),
  max_attempts: z.int(),
  tasks_ahead: z.int().nullable().describe(
    "Before it in its owner's queue; counted up to 10,000",
  ),
  users_ahead: z.int().nullable().describe(
    "Users whose turn comes first; counted up to 10,000",
  ),
  orchestrating: z.int().nullable().describe(
    "Orchestration tasks of the owner that need a worker",
  ),
  orchestration_limit: z.int().nullable(),
  held: z.int().describe(
    "Slots of attempts that others ended while the worker may still be at work",
  ),
});
export type TaskExplanation = z.infer<typeof TaskExplanation>;

/** Reply about a worker: why it gets nothing. */
export const WorkerExplanation = z.looseObject({
  worker_id: z.string(),
  known: z.boolean(),
  gets_work: z.boolean(),
  reason: z.string().nullable(),
  remedy: z.string(),
  claimable: z.int(),
  holds: z.array(z.looseObject({ task_id: z.guid() })),
  blocked: z.record(z.string(), z.int()),
});
export type WorkerExplanation = z.infer<typeof WorkerExplanation>;
