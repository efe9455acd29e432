import { TaskQuestion } from "../../../shared/task-reads.ts";
import { SMALL_BODY } from "../_fairlane/frame/body-limits.ts";
import {
  createEndpoint,
  type EndpointDeps,
  type Handler,
} from "../_fairlane/frame/endpoint.ts";
import { objectReply } from "../_fairlane/frame/json-reply.ts";

/** `POST /get-task-output`: what came of a task. */
export function createHandler(deps: EndpointDeps): Handler {
  return createEndpoint(deps, {
    name: "get-task-output",
    callers: ["service", "token", "user"],
    schema: TaskQuestion,
    maxBytes: SMALL_BODY,
    asksAbout: ({ task_id }) => task_id,
    answer: async ({ body, rpc, note }) => {
      note({ task_id: body.task_id });
      return objectReply(
        await rpc("get_task_output", { p_task_id: body.task_id }),
      );
    },
  });
}
