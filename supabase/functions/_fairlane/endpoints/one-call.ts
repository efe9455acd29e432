import { CancelTasksRequest } from "../../../../shared/cancel-tasks.ts";
import { ExplainRequest } from "../../../../shared/explain.ts";
import { HealthRequest } from "../../../../shared/health.ts";
import { MarkFailedRequest } from "../../../../shared/mark-failed.ts";
import { ChildrenRequest } from "../../../../shared/orchestrator-children.ts";
import { PredecessorRequest } from "../../../../shared/predecessor.ts";
import { SegmentsRequest } from "../../../../shared/segments.ts";
import { ShotPromptsRequest } from "../../../../shared/shot-prompts.ts";
import { TaskQuestion } from "../../../../shared/task-reads.ts";
import { WorkerHealthRequest } from "../../../../shared/worker-health.ts";
import { WorkerModelRequest } from "../../../../shared/worker-model.ts";
import { ofThisVersion } from "../database/schema-version.ts";
import {
  type Call,
  type CreateHandler,
  defineEndpoint,
  type Endpoint,
} from "../frame/endpoint.ts";
import {
  arrayReply,
  objectOrNullReply,
  objectReply,
} from "../frame/json-reply.ts";
import type { LogFields } from "../frame/log.ts";
import { FAILURE_BODY, SMALL_BODY } from "../frame/read-body.ts";

/** An endpoint that makes one call of the database and passes its reply on. */
interface OneCall<Body>
  extends Omit<Endpoint<Body>, "name" | "maxBytes" | "answer"> {
  readonly maxBytes?: number;
  readonly call: (rpc: Call<Body>["rpc"], body: Body) => Promise<string>;
  /** What its log line says about the body. */
  readonly notes?: (body: Body) => LogFields;
  /** Refuses a reply of a shape that clients do not expect. */
  readonly reply?: (text: string) => Response;
}

const EVERYONE = ["service", "token", "user"] as const;

/** Room for a thousand UUIDs with quotes and commas, and the other fields. */
const CANCELLATION_BODY = 128 * 1024;

const ABOUT_ITS_TASK = {
  callers: EVERYONE,
  asksAbout: ({ task_id }: { readonly task_id: string }) => task_id,
  notes: ({ task_id }: { readonly task_id: string }) => ({ task_id }),
};

/** The endpoints that are one call, by name. */
export const ONE_CALL = named({
  // Reads.
  "get-task-status": oneCall({
    ...ABOUT_ITS_TASK,
    reads: true,
    schema: TaskQuestion,
    call: (rpc, { task_id }) => rpc("get_task_status", { p_task_id: task_id }),
  }),
  "get-task-output": oneCall({
    ...ABOUT_ITS_TASK,
    reads: true,
    schema: TaskQuestion,
    call: (rpc, { task_id }) => rpc("get_task_output", { p_task_id: task_id }),
  }),
  "get-predecessor-output": oneCall({
    ...ABOUT_ITS_TASK,
    reads: true,
    schema: PredecessorRequest,
    call: (rpc, body) =>
      rpc("get_predecessor_output", {
        p_task_id: body.task_id,
        p_parent_generation_id: body.parent_generation_id,
        p_child_order: body.child_order,
      }),
    reply: objectOrNullReply,
  }),
  "get-completed-segments": oneCall({
    callers: EVERYONE,
    reads: true,
    schema: SegmentsRequest,
    call: (rpc, body) =>
      rpc("get_completed_segments", {
        p_run_id: body.run_id,
        p_project_id: body.project_id,
        p_after_index: body.after_index,
      }),
    reply: arrayReply,
  }),
  "get-orchestrator-children": oneCall({
    callers: EVERYONE,
    reads: true,
    schema: ChildrenRequest,
    asksAbout: ({ orchestrator_task_id }) => orchestrator_task_id,
    notes: ({ orchestrator_task_id }) => ({ task_id: orchestrator_task_id }),
    call: (rpc, body) =>
      rpc("get_orchestrator_children", {
        p_orchestrator_task_id: body.orchestrator_task_id,
        p_after: body.after,
      }),
  }),
  "explain": oneCall({
    callers: EVERYONE,
    reads: true,
    schema: ExplainRequest,
    asksAbout: ({ task_id }) => task_id,
    call: (rpc, body) =>
      body.task_id === undefined
        ? rpc("explain_worker", {
          p_worker_id: body.worker_id,
          p_run_type: body.run_type,
        })
        : rpc("explain_task", { p_task_id: body.task_id }),
  }),
  "health": oneCall({
    callers: ["service"],
    reads: true,
    schema: HealthRequest,
    call: async (rpc) => ofThisVersion(await rpc("health", {})),
  }),
  "worker-health": oneCall({
    callers: ["service"],
    reads: true,
    schema: WorkerHealthRequest,
    call: (rpc, { window_minutes }) =>
      rpc("worker_health", { p_window_minutes: window_minutes }),
  }),

  // Writes.
  "mark-task-failed": oneCall({
    callers: EVERYONE,
    schema: MarkFailedRequest,
    maxBytes: FAILURE_BODY,
    isReport: true,
    notes: ({ task_id }) => ({ task_id }),
    call: (rpc, body) =>
      rpc("mark_task_failed", {
        p_task_id: body.task_id,
        p_error_message: body.error_message ?? body.output_location,
        p_error_details: body.error_details,
        p_retryable: body.retryable,
        p_lease_token: body.lease_token,
      }),
  }),
  "cancel-tasks": oneCall({
    callers: EVERYONE,
    schema: CancelTasksRequest,
    maxBytes: CANCELLATION_BODY,
    call: (rpc, { limit, reason, ...filter }) =>
      rpc("cancel_tasks", {
        p_filter: filter,
        p_limit: limit,
        p_reason: reason,
      }),
  }),
  "update-worker-model": oneCall({
    callers: ["service"],
    schema: WorkerModelRequest,
    notes: ({ worker_id }) => ({ worker_id }),
    call: (rpc, body) =>
      rpc("update_worker_model", {
        p_worker_id: body.worker_id,
        p_model: body.current_model ?? body.model,
      }),
  }),
  "update-shot-pair-prompts": oneCall({
    callers: EVERYONE,
    schema: ShotPromptsRequest,
    notes: ({ shot_id }) => ({ shot_id }),
    // Always refuses, but checks the caller first.
    call: (rpc) => rpc("update_shot_pair_prompts", {}),
  }),
});

/** An endpoint that still lacks its name. */
type Nameless = (name: string) => CreateHandler;

function oneCall<Body>(
  { call, notes, reply = objectReply, ...rest }: OneCall<Body>,
): Nameless {
  return (name) =>
    defineEndpoint({
      name,
      maxBytes: SMALL_BODY,
      ...rest,
      answer: async ({ body, rpc, note }) => {
        if (notes) note(notes(body));
        return reply(await call(rpc, body));
      },
    });
}

function named<Name extends string>(
  rows: Readonly<Record<Name, Nameless>>,
): Readonly<Record<Name, CreateHandler>> {
  const entries = Object.entries<Nameless>(rows)
    .map(([name, row]) => [name, row(name)]);
  return Object.fromEntries(entries);
}
