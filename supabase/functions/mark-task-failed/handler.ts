import { MarkFailedRequest } from "../../../shared/mark-failed.ts";
import { FAILURE_BODY } from "../_fairlane/frame/body-limits.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_fairlane/frame/endpoint.ts";
import { objectReply } from "../_fairlane/frame/json-reply.ts";

/** `POST /mark-task-failed`: a failure that may be worth another try. */
export function createHandler(deps: EndpointDeps): Handler {
  return createEndpoint(deps, {
    name: "mark-task-failed",
    callers: ["service", "token", "user"],
    schema: MarkFailedRequest,
    maxBytes: FAILURE_BODY,
    isReport: true,
    answer: async ({ body, rpc, note }) => {
      note({ task_id: body.task_id });
      return objectReply(
        await rpc("mark_task_failed", {
          p_task_id: body.task_id,
          p_error_message: body.error_message ?? body.output_location,
          p_error_details: body.error_details,
          p_retryable: body.retryable,
          p_lease_token: body.lease_token,
        }),
      );
    },
  });
}
