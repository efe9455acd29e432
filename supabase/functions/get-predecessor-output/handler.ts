import { PredecessorRequest } from "../../../shared/predecessor.ts";
import { SMALL_BODY } from "../_fairlane/frame/body-limits.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_fairlane/frame/endpoint.ts";
import { objectOrNullReply } from "../_fairlane/frame/json-reply.ts";

/** `POST /get-predecessor-output`: the output a task builds on. */
export function createHandler(deps: EndpointDeps): Handler {
  return createEndpoint(deps, {
    name: "get-predecessor-output",
    callers: ["service", "token", "user"],
    schema: PredecessorRequest,
    maxBytes: SMALL_BODY,
    asksAbout: ({ task_id }) => task_id,
    answer: async ({ body, rpc, note }) => {
      note({ task_id: body.task_id });
      return objectOrNullReply(
        await rpc("get_predecessor_output", {
          p_task_id: body.task_id,
          p_parent_generation_id: body.parent_generation_id,
          p_child_order: body.child_order,
        }),
      );
    },
  });
}
