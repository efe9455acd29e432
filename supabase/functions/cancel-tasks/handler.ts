import { CancelTasksRequest } from "../../../shared/cancel-tasks.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_fairlane/frame/endpoint.ts";
import { objectReply } from "../_fairlane/frame/json-reply.ts";

/** A thousand UUIDs with their quotes and commas, and the other fields. */
const MAX_BYTES = 128 * 1024;

/** `POST /cancel-tasks`: many tasks cancelled, a batch a call. */
export function createHandler(deps: EndpointDeps): Handler {
  return createEndpoint(deps, {
    name: "cancel-tasks",
    callers: ["service", "token", "user"],
    schema: CancelTasksRequest,
    maxBytes: MAX_BYTES,
    answer: async ({ body, rpc }) => {
      const { limit, reason, ...filter } = body;
      return objectReply(
        await rpc("cancel_tasks", {
          p_filter: filter,
          p_limit: limit,
          p_reason: reason,
        }),
      );
    },
  });
}
