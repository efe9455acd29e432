import { CompleteRequest } from "../../../../shared/complete.ts";
import { refuseEmptyFile } from "../files/named-file.ts";
import { askUploadTarget } from "../files/upload-target.ts";
import { defineEndpoint } from "../frame/endpoint.ts";
import { objectReply } from "../frame/json-reply.ts";
import { COMPLETION_BODY } from "../frame/read-body.ts";
import { reportedData } from "../json/reported-data.ts";
import { type Output, readResult } from "./complete-output.ts";
import { completeWithSent } from "./complete-sent-files.ts";
import { locateStored } from "./complete-stored-files.ts";

/** `POST /complete-task`: 200 with the stored result, also when repeated. */
export const completeTask = defineEndpoint({
  name: "complete-task",
  callers: ["service", "token", "user"],
  schema: CompleteRequest,
  maxBytes: COMPLETION_BODY,
  isReport: true,
  answer: async ({ caller, body, bodyText, rpc, note }, { files, paths }) => {
    note({ task_id: body.task_id });
    const result = readResult(body);
    const resultData = reportedData(bodyText, "result_data");
    const complete = (output: Output) =>
      rpc("complete_task", {
        p_task_id: body.task_id,
        p_output_location: output.location,
        p_thumbnail_url: output.thumbnailUrl,
        p_result_data: resultData,
        p_lease_token: body.lease_token,
        p_description: output.description,
      });
    const check = (location: string | undefined) =>
      refuseEmptyFile(files, rpc, body, location, note);
    if (result.kind === "text") {
      await check(result.output.location);
      return objectReply(await complete(result.output));
    }

    // A repeat, or a task that cannot be completed any more: nothing is
    // stored for it, and the database has the answer for the caller.
    const target = await askUploadTarget(rpc, body);
    if (result.kind === "stored") {
      if (result.path === undefined) await check(result.text.location);
      const output = await locateStored(files, caller, target, result, note);
      return objectReply(await complete(output));
    }
    if (!target.is_open) return objectReply(await complete(result.text));
    return objectReply(
      await completeWithSent({ files, paths }, target, result, complete, note),
    );
  },
});
