import { CountsRequest, ROUTING_FIELDS } from "../../../../shared/counts.ts";
import { defineEndpoint } from "../frame/endpoint.ts";
import { objectReply } from "../frame/json-reply.ts";
import { SMALL_BODY } from "../frame/read-body.ts";

/**
 * `POST /task-counts`, or `GET` with the same fields in the query: what is
 * claimable, active and blocked, one snapshot. Most of a fleet's calls ask
 * this, and most of them the same: one answer serves all that ask within a
 * second (SharedAnswers).
 */
export const taskCounts = defineEndpoint({
  name: "task-counts",
  callers: ["service", "token", "user"],
  schema: CountsRequest,
  maxBytes: SMALL_BODY,
  reads: true,
  answersGet: true,
  answer: async ({ body, caller, rpc, isFresh, key }, { shared }) => {
    const args = {
      p_run_type: body.run_type,
      p_include_active: body.include_active,
      p_include_lists: body.include_lists,
      p_unused: routingIn(body),
    };
    const count = () => rpc("task_counts", args);
    // What one user may do changes at once for that user.
    if (isFresh || caller.kind !== "service") return objectReply(await count());
    return objectReply(
      await shared.get(`${key} ${JSON.stringify(args)}`, count),
    );
  },
});

/** The routing fields that the body sets; undefined when none. */
function routingIn(body: CountsRequest): string[] | undefined {
  const said = ROUTING_FIELDS.filter((field) =>
    body[field] !== undefined && body[field] !== null
  );
  return said.length > 0 ? said : undefined;
}
