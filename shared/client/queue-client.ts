import { z } from "zod";
import { BeatReply } from "../beat.ts";
import { ClaimedTask } from "../claim.ts";
import { CompleteReply } from "../complete.ts";
import { CountsReply, type CountsRequest } from "../counts.ts";
import { CreateReply, type NewTask } from "../create.ts";
import { MarkFailedReply } from "../mark-failed.ts";
import { sanitiseJsonText } from "../sanitise-text.ts";
import { UpdateStatusReply } from "../update-status.ts";
import type { Beat, Claim, ClaimAsk, Failure, Lease, Output } from "./calls.ts";
import { UnexpectedReply } from "./errors.ts";
import { isServiceKey } from "./key-kind.ts";
import { RETRY_RULES, type RetryRule } from "./retry.ts";
import { type Runtime, webRuntime } from "./runtime.ts";
import { type Answer, send } from "./send.ts";

/** Where the queue is, and who asks. */
export interface ClientOptions {
  /**
   * The project's URL, such as `https://<ref>.supabase.co`; of a guest, the
   * function's: `https://<ref>.supabase.co/functions/v1/fairlane`.
   */
  readonly url: string;
  /** A service key, a personal access token or a user's JWT. */
  readonly key: string;
  readonly runtime?: Runtime;
}

/** The queue in TypeScript. Each call repeats itself: see RETRY_RULES. */
export interface QueueClient {
  /** Null: nothing to do. Repeat with the same claim_id after a NoResponseError. */
  claim(ask: ClaimAsk): Promise<Claim | null>;
  /** With a service key or a token; a user's JWT may not beat. */
  beat(beat: Beat): Promise<BeatReply>;
  complete(lease: Lease, output?: Output): Promise<CompleteReply>;
  fail(lease: Lease, failure: Failure): Promise<MarkFailedReply>;
  /** Gives the task back; this start does not count. */
  handBack(lease: Lease): Promise<UpdateStatusReply>;
  /** The task goes on. A text on an orchestrator says: all are enqueued. */
  report(lease: Lease, text?: string): Promise<UpdateStatusReply>;
  /** A task without an id or a key of its own is given an id first. */
  create(task: z.input<typeof NewTask>): Promise<CreateReply>;
  counts(ask?: Partial<CountsRequest>): Promise<CountsReply>;
}

/** Makes a client; it holds no connection and needs no closing. */
export function createQueueClient(options: ClientOptions): QueueClient {
  const runtime = options.runtime ?? webRuntime;
  const base = options.url.replace(/\/+$/, "");
  const isGuest = /\/functions\/v1\/[^/]+$/.test(base);
  const functions = isGuest ? base : `${base}/functions/v1`;
  // Guests expose nothing over the Data API.
  const mayUseDataApi = isServiceKey(options.key) && !isGuest;

  function ask(name: string, body: unknown, rule: RetryRule): Promise<Answer> {
    return askInText(name, JSON.stringify(body), rule);
  }

  function askInText(
    name: string,
    body: string,
    rule: RetryRule,
  ): Promise<Answer> {
    return send(runtime, {
      url: `${functions}/${name}`,
      headers: { authorization: `Bearer ${options.key}` },
      body,
    }, rule);
  }

  function beatByDataApi(beat: Beat): Promise<Answer> {
    return send(runtime, {
      url: `${base}/rest/v1/rpc/func_worker_heartbeat_with_logs`,
      headers: { apikey: options.key },
      // One broken character would cost the whole beat.
      body: sanitiseJsonText(JSON.stringify({
        worker_id_param: beat.worker_id,
        current_task_id_param: beat.task_id,
        logs_param: beat.logs ?? [],
        vram_total_mb_param: beat.vram_total_mb ?? 0,
        vram_used_mb_param: beat.vram_used_mb ?? 0,
        status_param: beat.isLast ? "terminated" : "active",
      })),
    }, RETRY_RULES.beat);
  }

  function beatByRoute({ isLast, ...beat }: Beat): Promise<Answer> {
    const status = isLast ? "terminated" : "active";
    const body = sanitiseJsonText(JSON.stringify({ ...beat, status }));
    return askInText("beat", body, RETRY_RULES.beat);
  }

  const setStatus = async (body: object, rule: RetryRule) =>
    read(UpdateStatusReply, await ask("update-task-status", body, rule));

  return {
    async claim(request) {
      const answer = await ask("claim-next-task", {
        claim_id: runtime.newId(),
        ...request,
      }, RETRY_RULES.claim);
      if (answer.text === "") return null;
      return { ...read(ClaimedTask, answer), text: answer.text };
    },
    beat: async (beat) =>
      read(
        BeatReply,
        await (mayUseDataApi ? beatByDataApi(beat) : beatByRoute(beat)),
      ),
    async complete(lease, output = {}) {
      const body = { ...proof(lease), ...output };
      return read(
        CompleteReply,
        await ask("complete-task", body, RETRY_RULES.end),
      );
    },
    async fail(lease, failure) {
      const body = { ...proof(lease), ...failure };
      return read(
        MarkFailedReply,
        await ask("mark-task-failed", body, RETRY_RULES.end),
      );
    },
    handBack: (lease) =>
      setStatus({ ...proof(lease), status: "Queued" }, RETRY_RULES.end),
    report: (lease, text) =>
      setStatus({
        ...proof(lease),
        status: "In Progress",
        output_location: text,
      }, RETRY_RULES.report),
    async create(task) {
      const isNamed = (task.task_id ?? task.idempotency_key ?? null) !== null;
      const body = isNamed ? task : { ...task, task_id: runtime.newId() };
      return read(
        CreateReply,
        await ask("create-task", body, RETRY_RULES.create),
      );
    },
    counts: async (request = {}) =>
      read(CountsReply, await ask("task-counts", request, RETRY_RULES.read)),
  };
}

function proof({ task_id, lease_token }: Lease): Lease {
  return lease_token === undefined ? { task_id } : { task_id, lease_token };
}

function read<T>(schema: z.ZodType<T>, { json }: Answer): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new UnexpectedReply(z.prettifyError(parsed.error));
}
