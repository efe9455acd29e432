import { ShotPromptsRequest } from "../../../shared/shot-prompts.ts";
import { SMALL_BODY } from "../_fairlane/frame/body-limits.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_fairlane/frame/endpoint.ts";
import { objectReply } from "../_fairlane/frame/json-reply.ts";

/** `POST /update-shot-pair-prompts`: 501, this queue keeps no shots. */
export function createHandler(deps: EndpointDeps): Handler {
  return createEndpoint(deps, {
    name: "update-shot-pair-prompts",
    callers: ["service", "token", "user"],
    schema: ShotPromptsRequest,
    maxBytes: SMALL_BODY,
    answer: async ({ body, rpc, note }) => {
      note({ shot_id: body.shot_id });
      // Always refuses, but knows first who is asking.
      return objectReply(await rpc("update_shot_pair_prompts", {}));
    },
  });
}
