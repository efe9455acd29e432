import { z } from "zod";
import { JsonObject, name, optional, Uuid } from "./fields.ts";
import { TaskStatus } from "./task-status.ts";

/** Body of `POST /get-orchestrator-children`. */
export const ChildrenRequest = z.object({
  orchestrator_task_id: Uuid,
  /** `next` of the reply before, to get what comes after it. */
  after: optional(name(100)),
});
export type ChildrenRequest = z.infer<typeof ChildrenRequest>;

/** Reply of `POST /get-orchestrator-children`, oldest first. */
export const ChildrenReply = z.looseObject({
  tasks: z.array(z.looseObject({
    id: z.guid(),
    task_type: z.string(),
    status: TaskStatus,
    params: JsonObject,
    output_location: z.string().nullable(),
  })),
  /** True: there are more than the reply holds. */
  is_cut: z.boolean(),
  /** Send it as `after` to get the rest; null: that was all. */
  next: z.string().nullable(),
});
export type ChildrenReply = z.infer<typeof ChildrenReply>;
