import { CompleteRequest } from "../../../shared/complete.ts";
import { COMPLETION_BODY } from "../_shared/body-limits.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_shared/endpoint.ts";
import { objectReply } from "../_shared/json-reply.ts";
import { rawMember } from "../_shared/raw-json.ts";
import { readOutput } from "./output.ts";

/** `POST /complete-task`: 200 with the stored result, also when repeated. */
export function createHandler(deps: EndpointDeps): Handler {
  return createEndpoint(deps, {
    name: "complete-task",
    callers: ["service", "token", "user"],
    schema: CompleteRequest,
    maxBytes: COMPLETION_BODY,
    answer: async ({ caller, body, bodyText, rpc, note }) => {
      note({ task_id: body.task_id });
      const output = readOutput(body, caller, deps.supabaseUrl);
      return objectReply(
        await rpc("complete_task", {
          p_task_id: body.task_id,
          p_output_location: output.location,
          p_thumbnail_url: output.thumbnailUrl,
          p_result_data: rawMember(bodyText, "result_data"),
          p_lease_token: body.lease_token,
        }),
      );
    },
  });
}
