import { z } from "zod";
import { name, optional, Uuid } from "./fields.ts";

/** The most tasks that one call cancels, and names. */
const MAX_CANCELLED = 1000;

const IDS_RULE = `must be a list of at most ${MAX_CANCELLED} UUIDs`;
const TIME_RULE = "must be a time with its zone, such as 2026-01-31T12:00:00Z";

/** Body of `POST /cancel-tasks`: which tasks; every field that is sent holds. */
export const CancelTasksRequest = z.object({
  task_ids: optional(
    z.array(Uuid, { error: IDS_RULE }).max(MAX_CANCELLED, { error: IDS_RULE }),
  ),
  status: optional(
    z.enum(["Queued", "In Progress"], {
      error: "must be Queued or In Progress",
    }),
  ),
  task_type: optional(name(200)),
  /** Heard from a service key; everybody else's tasks are their own anyway. */
  user_id: optional(Uuid),
  project_id: optional(Uuid),
  orchestrator_task_id: optional(Uuid),
  created_before: optional(
    z.iso.datetime({ offset: true, error: TIME_RULE })
      .refine((text) => text.startsWith("2"), { error: TIME_RULE }),
  ),
  /** Kept as the tasks' `error_message`. */
  reason: optional(name(1000)),
  limit: optional(z.int().min(1).max(MAX_CANCELLED)),
});
export type CancelTasksRequest = z.infer<typeof CancelTasksRequest>;

/** Reply of `POST /cancel-tasks`. */
export const CancelTasksReply = z.looseObject({
  cancelled: z.int().min(0),
  /** Tasks that somebody is just changing; ask again. */
  passed_over: z.int().min(0),
  /** True: others match, too. Repeat the call while it cancels something. */
  has_more: z.boolean(),
});
export type CancelTasksReply = z.infer<typeof CancelTasksReply>;
