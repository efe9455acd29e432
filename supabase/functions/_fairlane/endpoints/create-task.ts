import {
  CREATE_FIELDS,
  CreateRequest,
  type NewTask,
} from "../../../../shared/create.ts";
import { ONCE_CREATED, REPEATABLE } from "../database/repetition.ts";
import { defineEndpoint } from "../frame/endpoint.ts";
import { objectReply } from "../frame/json-reply.ts";
import { SMALL_BODY } from "../frame/read-body.ts";
import { elementTexts, memberText } from "../json/json-scan.ts";
import { jsonText, RawJson, rawMember } from "../json/raw-json.ts";

/**
 * `POST /create-task`: 200 with the task, also when it was there before.
 * Deployed clients treat any other status as a failure.
 */
export const createTask = defineEndpoint({
  name: "create-task",
  callers: ["service", "token", "user"],
  schema: CreateRequest,
  fields: CREATE_FIELDS,
  maxBytes: SMALL_BODY,
  codeOfTooMuch: "PARAMS_TOO_LARGE",
  answer: async ({ body, bodyText, rpc, note }) => {
    const sources = body.isBatch
      ? elementTexts(memberText(bodyText, "tasks") ?? "[]")
      : [bodyText];
    const tasks = body.tasks.map((task, index) =>
      taskArgument(task, sources[index] ?? "{}")
    );
    const repetition = body.tasks.every(hasName) ? REPEATABLE : ONCE_CREATED;
    if (!body.isBatch) {
      const [task_id] = body.tasks.map((task) => task.task_id);
      if (task_id !== undefined) note({ task_id });
      return objectReply(
        await rpc("create_task", { p_task: tasks[0] }, repetition),
      );
    }
    note({ task_count: tasks.length });
    const list = tasks.map(({ text }) => text).join(",");
    const p_tasks = new RawJson(`[${list}]`);
    return objectReply(await rpc("create_tasks", { p_tasks }, repetition));
  },
});

/** Whether the task, sent again, is the same task and not another one. */
function hasName({ task_id, idempotency_key }: NewTask): boolean {
  return task_id !== undefined || idempotency_key !== undefined;
}

/**
 * One task as the database reads it. `source` is the text it was parsed from:
 * params keep their sender's spelling, because seeds have 64 bits.
 */
function taskArgument(task: NewTask, source: string): RawJson {
  const { project_id, dependant_on, params: _, ...fields } = task;
  return new RawJson(jsonText({
    ...fields,
    project: project_id,
    depends_on: dependant_on,
    params: rawMember(source, "params") ?? rawMember(source, "input"),
  }));
}
