import { CountsRequest, ROUTING_FIELDS } from "../../../../shared/counts.ts";
import { defineEndpoint } from "../frame/endpoint.ts";
import { objectReply } from "../frame/json-reply.ts";
import { SMALL_BODY } from "../frame/read-body.ts";

/** `POST /task-counts`: what is claimable, active and blocked, one snapshot. */
export const taskCounts = defineEndpoint({
  name: "task-counts",
  callers: ["service", "token", "user"],
  schema: CountsRequest,
  maxBytes: SMALL_BODY,
  answer: async ({ body, rpc }) =>
    objectReply(
      await rpc("task_counts", {
        p_run_type: body.run_type,
        p_include_active: body.include_active,
        p_unused: routingIn(body),
      }),
    ),
});

/** The routing fields that the body sets; undefined when none. */
function routingIn(body: CountsRequest): string[] | undefined {
  const said = ROUTING_FIELDS.filter((field) =>
    body[field] !== undefined && body[field] !== null
  );
  return said.length > 0 ? said : undefined;
}
