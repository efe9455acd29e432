import { SegmentsRequest } from "../../../shared/segments.ts";
import { SMALL_BODY } from "../_fairlane/frame/body-limits.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_fairlane/frame/endpoint.ts";
import { arrayReply } from "../_fairlane/frame/json-reply.ts";

/** `POST /get-completed-segments`: the finished segments of a run. */
export function createHandler(deps: EndpointDeps): Handler {
  return createEndpoint(deps, {
    name: "get-completed-segments",
    callers: ["service", "token", "user"],
    schema: SegmentsRequest,
    maxBytes: SMALL_BODY,
    answer: async ({ body, rpc }) =>
      arrayReply(
        await rpc("get_completed_segments", {
          p_run_id: body.run_id,
          p_project_id: body.project_id,
          p_after_index: body.after_index,
        }),
      ),
  });
}
