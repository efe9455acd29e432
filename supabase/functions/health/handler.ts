import { HealthRequest } from "../../../shared/health.ts";
import { SMALL_BODY } from "../_shared/body-limits.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_shared/endpoint.ts";
import { objectReply } from "../_shared/json-reply.ts";

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
