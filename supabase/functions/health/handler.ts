import { HealthRequest } from "../../../shared/health.ts";
import { SMALL_BODY } from "../_fairlane/frame/body-limits.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_fairlane/frame/endpoint.ts";
import { objectReply } from "../_fairlane/frame/json-reply.ts";

/** `POST /health`: whether the queue's own jobs run. */
export function createHandler(deps: EndpointDeps): Handler {
  return createEndpoint(deps, {
    name: "health",
    callers: ["service"],
    schema: HealthRequest,
    maxBytes: SMALL_BODY,
    answer: async ({ rpc }) => objectReply(await rpc("health", {})),
  });
}
