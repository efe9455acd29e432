import { WorkerHealthRequest } from "../../../shared/worker-health.ts";
import { SMALL_BODY } from "../_fairlane/frame/body-limits.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_fairlane/frame/endpoint.ts";
import { objectReply } from "../_fairlane/frame/json-reply.ts";

/** `POST /worker-health`: how the fleet is doing, and whether to rent more. */
export function createHandler(deps: EndpointDeps): Handler {
  return createEndpoint(deps, {
    name: "worker-health",
    callers: ["service"],
    schema: WorkerHealthRequest,
    maxBytes: SMALL_BODY,
    answer: async ({ body, rpc }) =>
      objectReply(
        await rpc("worker_health", { p_window_minutes: body.window_minutes }),
      ),
  });
}
