import { BeatRequest } from "../../../../shared/beat.ts";
import { sanitiseJsonText } from "../../../../shared/sanitise-text.ts";
import { defineEndpoint } from "../frame/endpoint.ts";
import { objectReply } from "../frame/json-reply.ts";
import { FAILURE_BODY } from "../frame/read-body.ts";
import { memberText } from "../json/json-scan.ts";
import { RawJson } from "../json/raw-json.ts";

/**
 * `POST /beat`: a heartbeat of the fleet's workers and of users' own machines,
 * whose tokens the Data API does not know. Read as leniently as a report, so
 * that no log line costs the heartbeat.
 */
export const beat = defineEndpoint({
  name: "beat",
  callers: ["service", "token"],
  schema: BeatRequest,
  maxBytes: FAILURE_BODY,
  isReport: true,
  answer: async ({ body, bodyText, rpc, note }) => {
    note({ worker_id: body.worker_id, said: body.status });
    return objectReply(
      await rpc("beat", {
        p_worker_id: body.worker_id,
        p_status: body.status,
        p_task_ids: body.task_ids ?? one(body.task_id),
        p_vram_total_mb: body.vram_total_mb,
        p_vram_used_mb: body.vram_used_mb,
        p_logs: lines(bodyText),
      }),
    );
  },
});

function one(taskId: string | undefined): readonly string[] | undefined {
  return taskId === undefined ? undefined : [taskId];
}

/** In the sender's spelling, without characters that Postgres cannot store. */
function lines(bodyText: string): RawJson | undefined {
  const text = memberText(bodyText, "logs");
  return text === undefined ? undefined : new RawJson(sanitiseJsonText(text));
}
