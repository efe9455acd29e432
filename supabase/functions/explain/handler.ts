import { ExplainRequest } from "../../../shared/explain.ts";
import { SMALL_BODY } from "../_fairlane/frame/body-limits.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_fairlane/frame/endpoint.ts";
import { objectReply } from "../_fairlane/frame/json-reply.ts";

/** `POST /explain`: why a task is not running, or why a worker gets nothing. */
export function createHandler(deps: EndpointDeps): Handler {
  return createEndpoint(deps, {
    name: "explain",
    callers: ["service", "token", "user"],
    schema: ExplainRequest,
    maxBytes: SMALL_BODY,
    asksAbout: ({ task_id }) => task_id,
    answer: async ({ body, rpc }) =>
      objectReply(
        body.task_id === undefined
          ? await rpc("explain_worker", {
            p_worker_id: body.worker_id,
            p_run_type: body.run_type,
          })
          : await rpc("explain_task", { p_task_id: body.task_id }),
      ),
  });
}
