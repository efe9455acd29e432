import { ChildrenRequest } from "../../../shared/orchestrator-children.ts";
import { SMALL_BODY } from "../_fairlane/frame/body-limits.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_fairlane/frame/endpoint.ts";
import { objectReply } from "../_fairlane/frame/json-reply.ts";

/** `POST /get-orchestrator-children`: the tasks it has enqueued. */
export function createHandler(deps: EndpointDeps): Handler {
  return createEndpoint(deps, {
    name: "get-orchestrator-children",
    callers: ["service", "token", "user"],
    schema: ChildrenRequest,
    maxBytes: SMALL_BODY,
    asksAbout: ({ orchestrator_task_id }) => orchestrator_task_id,
    answer: async ({ body, rpc, note }) => {
      note({ task_id: body.orchestrator_task_id });
      return objectReply(
        await rpc("get_orchestrator_children", {
          p_orchestrator_task_id: body.orchestrator_task_id,
          p_after: body.after,
        }),
      );
    },
  });
}
