import { UpdateStatusRequest } from "../../../../shared/update-status.ts";
import { refuseEmptyFile } from "../files/named-file.ts";
import { defineEndpoint } from "../frame/endpoint.ts";
import { objectReply } from "../frame/json-reply.ts";
import { FAILURE_BODY } from "../frame/read-body.ts";
import { reportedData } from "../json/reported-data.ts";

/** `POST /update-task-status`: progress, failure or completion of a task. */
export const updateTaskStatus = defineEndpoint({
  name: "update-task-status",
  callers: ["service", "token", "user"],
  schema: UpdateStatusRequest,
  maxBytes: FAILURE_BODY,
  isReport: true,
  answer: async ({ body, bodyText, rpc, note }, { files }) => {
    note({ task_id: body.task_id });
    if (body.status === "Complete") {
      await refuseEmptyFile(
        files,
        rpc,
        body,
        body.output_location,
        note,
      );
    }
    return objectReply(
      await rpc("update_task_status", {
        p_task_id: body.task_id,
        p_status: body.status,
        p_output_location: body.output_location,
        p_error_message: body.error_message,
        p_error_details: body.error_details,
        p_thumbnail_url: body.thumbnail_url,
        p_result_data: reportedData(bodyText, "result_data"),
        p_reset_generation_started_at: body.reset_generation_started_at,
        p_lease_token: body.lease_token,
        p_attempts: body.attempts,
      }),
    );
  },
});
