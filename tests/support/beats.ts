import { expect } from "vitest";
import { z } from "zod";
import type { Connection } from "./db.ts";
import { callFunction, callRpc, type Reply } from "./http.ts";
import { isGuest } from "./profile.ts";
import { send } from "./rest.ts";
import { stack } from "./stack.ts";

/** What a beat answers. */
export const BeatReply = z.strictObject({
  success: z.literal(true),
  heartbeat_updated: z.literal(true),
  logs_inserted: z.int(),
  log_errors: z.int(),
  stop: z.array(z.strictObject({ task_id: z.uuid(), reason: z.string() })),
});

/** A line of a worker's log, as the guardian sends it. */
export interface LogLine {
  readonly message: unknown;
  readonly level?: string;
  readonly timestamp?: string;
  readonly task_id?: string | null;
}

/** The body of a guardian's beat. */
export function beatBody(
  workerId: string,
  lines: readonly LogLine[] = [],
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return {
    worker_id_param: workerId,
    vram_total_mb_param: 24564,
    vram_used_mb_param: 812,
    logs_param: lines.map((line) => ({
      timestamp: new Date().toISOString(),
      level: "INFO",
      task_id: null,
      metadata: {},
      ...line,
    })),
    status_param: "active",
    ...more,
  };
}

/** What is special about the last beat of a worker that is told to end. */
export const GOODBYE = {
  vram_total_mb_param: 0,
  vram_used_mb_param: 0,
  status_param: "terminated",
} as const;

/** Such a beat, which names no task unless told to. It has been taken. */
export function sayGoodbye(
  workerId: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Reply> {
  return sayLast(beatBody(workerId, [], { ...GOODBYE, ...more }));
}

/** A beat after which none comes. A test that goes on after one that was refused proves nothing. */
export async function sayLast(body: object): Promise<Reply> {
  const reply = await curl("func_worker_heartbeat_with_logs", body);
  expect(reply.json, reply.text).toMatchObject({ success: true });
  return reply;
}

/** A beat with these lines, in the way in which workers of the service send it. */
export function signOfLife(
  worker_id: string,
  lines: readonly LogLine[] = [],
): Promise<Reply> {
  const key = stack().serviceRoleKey;
  const { logs_param: logs } = beatBody(worker_id, lines);
  return isGuest
    ? callFunction("beat", { worker_id, logs }, { key })
    : callRpc("func_worker_heartbeat_with_logs", {
      worker_id_param: worker_id,
      logs_param: logs,
    }, { key });
}

/** Calls a database function as the guardian's curl does: `apikey` alone. */
export function curl(
  name: string,
  body: unknown,
  key: string = stack().serviceRoleKey,
): Promise<Reply> {
  return send(`/rest/v1/rpc/${name}`, {
    method: "POST",
    headers: {
      apikey: key,
      "content-type": "application/json",
      prefer: "return=representation",
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** A beat over a connection of its own, so that it can meet others. */
export async function beatOn(
  sql: Connection,
  workerId: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<z.infer<typeof BeatReply>> {
  const body = JSON.stringify(beatBody(workerId, [], more));
  const [row] = await sql<{ reply: unknown }[]>`
    select public.func_worker_heartbeat_with_logs(${body}::text::json) as reply
  `;
  return BeatReply.parse(row?.reply);
}
