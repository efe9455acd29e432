import { z } from "zod";
import { JsonObject, Uuid } from "./fields.ts";
import { TaskStatus } from "./task-status.ts";

/** Body of `POST /get-task-status` and `POST /get-task-output`. */
export const TaskQuestion = z.object({ task_id: Uuid });
export type TaskQuestion = z.infer<typeof TaskQuestion>;

/** Reply of `POST /get-task-status`. */
export const TaskStatusReply = z.looseObject({
  task_id: z.guid(),
  task_type: z.string(),
  status: TaskStatus,
  attempt: z.int().min(0),
  error_message: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string().nullable(),
  generation_started_at: z.string().nullable(),
  generation_processed_at: z.string().nullable(),
});
export type TaskStatusReply = z.infer<typeof TaskStatusReply>;

/** Reply of `POST /get-task-output`. */
export const TaskOutputReply = z.looseObject({
  task_id: z.guid(),
  status: TaskStatus,
  output_location: z.string().nullable().describe(
    "A progress text while it runs, the reason after a failure",
  ),
  public_url: z.string().nullable().describe("The output, once Complete"),
  thumbnail_url: z.string().nullable(),
  error_message: z.string().nullable(),
  result_data: z.unknown(),
  params: JsonObject,
  dependant_on: z.guid().nullable(),
});
export type TaskOutputReply = z.infer<typeof TaskOutputReply>;
