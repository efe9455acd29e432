import { z } from "zod";
import { JsonObject, name, optional, Uuid } from "./fields.ts";
import { TaskStatus } from "./task-status.ts";

/** Body of `POST /get-orchestrator-children`. */
export const ChildrenRequest = z.object({
  orchestrator_task_id: Uuid,
  after: optional(name(100)).describe("`next` of the previous reply"),
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
  is_cut: z.boolean().describe("There are more"),
  next: z.string().nullable().describe(
    "Send it as `after` for the rest; null: that was all",
  ),
});
export type ChildrenReply = z.infer<typeof ChildrenReply>;
