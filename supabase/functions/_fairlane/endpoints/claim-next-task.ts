import { ClaimedTask, ClaimRequest, poolOf } from "../../../../shared/claim.ts";
import type { Caller } from "../callers/caller.ts";
import { ONCE_CLAIMED, REPEATABLE } from "../database/repetition.ts";
import { ApiError } from "../frame/api-error.ts";
import { defineEndpoint } from "../frame/endpoint.ts";
import { jsonReply, objectReply } from "../frame/json-reply.ts";
import { SMALL_BODY } from "../frame/read-body.ts";

/** `POST /claim-next-task`: 200 with a task, or 204 when there is none. */
export const claimNextTask = defineEndpoint({
  name: "claim-next-task",
  callers: ["service", "token"],
  schema: ClaimRequest,
  maxBytes: SMALL_BODY,
  answer: async ({ caller, body, rpc, note }) => {
    const workerId = body.worker_id ?? defaultWorkerId(caller);
    note({ worker_id: workerId });
    const claim = rpc("claim_next_task", {
      p_worker_id: workerId,
      p_run_type: body.run_type ?? poolOf(body.task_types),
      p_claim_id: body.claim_id,
      p_same_model_only: body.same_model_only,
      p_max_task_wait_minutes: body.max_task_wait_minutes,
      p_dry_run: body.dry_run,
    }, isRepeatable(body) ? REPEATABLE : ONCE_CLAIMED);
    const text = await claim.catch(async (refusal: unknown) => {
      if (!body.dry_run && isRefusalOfWorker(refusal)) {
        // For worker-health; the answer stays the refusal.
        await rpc("note_refused_claim", { p_worker_id: workerId })
          .catch(() => note({ refusal_noted: false }));
      }
      throw refusal;
    });
    if (body.dry_run) return objectReply(text);
    if (text.trim() === "null") return new Response(null, { status: 204 });
    note({ task_id: readTask(text).task_id });
    return jsonReply(text);
  },
});

/** A claim with a claim_id gets the same answer again; a dry run changes nothing. */
function isRepeatable(body: ClaimRequest): boolean {
  return body.claim_id !== undefined || body.dry_run === true;
}

/**
 * A user's machines need no name: they share one of the ids that several may
 * send (the setting `shared_worker_ids`). Workers with a service key must name
 * themselves, or nobody could tell which of them has died.
 */
function defaultWorkerId(caller: Caller): string {
  if (caller.kind === "token") return "token-worker";
  throw new ApiError("INVALID_BODY", 'Body field "worker_id" must be given');
}

/** The claim rolled back with its refusal, so it could not be noted there. */
function isRefusalOfWorker(error: unknown): boolean {
  return error instanceof ApiError && error.code === "WORKER_NOT_ELIGIBLE";
}

/** Deployed workers crash on a 200 without a whole task, so check before sending. */
function readTask(text: string): ClaimedTask {
  const task = ClaimedTask.safeParse(JSON.parse(text));
  if (task.success) return task.data;
  const fields = task.error.issues.map((issue) => issue.path.join("."));
  throw new Error(`The claimed task is malformed in ${fields.join(", ")}`);
}
