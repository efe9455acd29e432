import { WorkerModelRequest } from "../../../shared/worker-model.ts";
import { SMALL_BODY } from "../_fairlane/frame/body-limits.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_fairlane/frame/endpoint.ts";
import { objectReply } from "../_fairlane/frame/json-reply.ts";

/** `POST /update-worker-model`: which model a worker has loaded. */
export function createHandler(deps: EndpointDeps): Handler {
  return createEndpoint(deps, {
    name: "update-worker-model",
    callers: ["service"],
    schema: WorkerModelRequest,
    maxBytes: SMALL_BODY,
    answer: async ({ body, rpc, note }) => {
      note({ worker_id: body.worker_id });
      return objectReply(
        await rpc("update_worker_model", {
          p_worker_id: body.worker_id,
          p_model: body.current_model ?? body.model,
        }),
      );
    },
  });
}
