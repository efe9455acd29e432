import { z } from "zod";
import { JsonObject, Uuid } from "./fields.ts";
import { TaskStatus } from "./task-status.ts";

/** Body of `POST /get-orchestrator-children`. */
export const ChildrenRequest = z.object({ orchestrator_task_id: Uuid });
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
});
export type ChildrenReply = z.infer<typeof ChildrenReply>;
