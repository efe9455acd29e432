import { z } from "zod";
import { Pool } from "./claim.ts";
import { name, optional, Uuid } from "./fields.ts";

/** Body of `POST /explain`: about one task, or about one worker. */
export const ExplainRequest = z.object({
  task_id: optional(Uuid),
  worker_id: optional(name(200)),
  run_type: optional(Pool),
}).refine(
  (body) => (body.task_id === undefined) !== (body.worker_id === undefined),
  { error: "needs either task_id or worker_id" },
);
export type ExplainRequest = z.infer<typeof ExplainRequest>;

/** Reply about a task: why it is not running and where in line it is. */
export const TaskExplanation = z.looseObject({
  task_id: z.guid(),
  status: z.string(),
  claimable: z.boolean(),
  /** The one reason why a queued task waits; null when none holds it back. */
  reason: z.string().nullable(),
  /** What would have to change, in words. */
  remedy: z.string(),
  pool: Pool,
  /** Of another pool, but GPU machines of its owner run it, too. */
  runs_on_own_gpu: z.boolean(),
  attempts: z.int(),
  max_attempts: z.int(),
  /** Tasks before it in its owner's line; counted up to 10000. */
  tasks_ahead: z.int().nullable(),
  /** Users whose turn comes first; counted up to 10000. */
  users_ahead: z.int().nullable(),
  /** Orchestration tasks of the owner that need a worker. */
  orchestrating: z.int().nullable(),
  orchestration_limit: z.int().nullable(),
  /** Slots and places of starts that others ended, whose holders are at work. */
  held: z.int(),
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
