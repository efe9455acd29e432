import { z } from "zod";
import { name, optional, Uuid } from "./fields.ts";

/** The most tasks that one call cancels or names. */
const MAX_CANCELLED = 1000;

const IDS_RULE = `must be a list of at most ${MAX_CANCELLED} UUIDs`;
const TIME_RULE = "must be a time with its zone, such as 2026-01-31T12:00:00Z";

/** Body of `POST /cancel-tasks`: which tasks; all fields that are sent must match. */
export const CancelTasksRequest = z.object({
  task_ids: optional(
    z.array(Uuid, { error: IDS_RULE }).max(MAX_CANCELLED, { error: IDS_RULE }),
  ).describe("These tasks"),
  status: optional(
    z.enum(["Queued", "In Progress"], {
      error: "must be Queued or In Progress",
    }),
  ).meta({ description: "Tasks in this status", default: "Queued" }),
  task_type: optional(name(200)).describe("Tasks of this type"),
  user_id: optional(Uuid).describe(
    "Tasks of this user; read from a service key only, others reach their own tasks anyway",
  ),
  project_id: optional(Uuid).describe("Tasks of this project"),
  orchestrator_task_id: optional(Uuid).describe(
    "Children of this orchestrator",
  ),
  created_before: optional(
    z.iso.datetime({ offset: true, error: TIME_RULE })
      .refine((text) => text.startsWith("2"), { error: TIME_RULE }),
  ).describe("Tasks created before this time"),
  reason: optional(name(1000)).describe(
    "Stored as `error_message` of the tasks; selects nothing",
  ),
  limit: optional(z.int().min(1).max(MAX_CANCELLED)).meta({
    description: "The most tasks to cancel in this call",
    default: MAX_CANCELLED,
  }),
});
export type CancelTasksRequest = z.infer<typeof CancelTasksRequest>;

/** Reply of `POST /cancel-tasks`. */
export const CancelTasksReply = z.looseObject({
  cancelled: z.int().min(0),
  passed_over: z.int().min(0).describe(
    "Tasks that another transaction is changing; left as they are",
  ),
  has_more: z.boolean().describe(
    "More tasks match: repeat the call while it cancels something",
  ),
});
export type CancelTasksReply = z.infer<typeof CancelTasksReply>;
