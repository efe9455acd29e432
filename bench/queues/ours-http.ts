import { Claimed } from "./ours-sql.ts";
import { nextWorker } from "./ours.ts";
import type { QueueClient } from "./queue.ts";

/** Where one claims and completes over HTTP. */
export interface HttpWay {
  claimUrl: string;
  completeUrl: string;
  headers: Record<string, string>;
  claimBody(workerId: string): unknown;
  completeBody(task: Claimed): unknown;
}

type Claimed = ReturnType<typeof Claimed.parse>;

const OUTPUT = "https://x/y.mp4";

/** Our rpcs through PostgREST, as the functions call them. */
export function restWay(apiUrl: string, secretKey: string): HttpWay {
  const rpc = `${apiUrl}/rest/v1/rpc`;
  const caller = { kind: "service" };
  return {
    claimUrl: `${rpc}/claim_next_task`,
    completeUrl: `${rpc}/complete_task`,
    headers: { apikey: secretKey },
    claimBody: (workerId) => ({ p_caller: caller, p_worker_id: workerId }),
    completeBody: (task) => ({
      p_caller: caller,
      p_task_id: task.task_id,
      p_output_location: OUTPUT,
      p_thumbnail_url: null,
      p_result_data: null,
      p_lease_token: task.lease_token,
    }),
  };
}

/** The edge functions, as workers call them. */
export function functionWay(functionsUrl: string, secretKey: string): HttpWay {
  return {
    claimUrl: `${functionsUrl}/claim-next-task`,
    completeUrl: `${functionsUrl}/complete-task`,
    headers: { authorization: `Bearer ${secretKey}` },
    claimBody: (workerId) => ({ worker_id: workerId }),
    completeBody: (task) => ({
      task_id: task.task_id,
      output_location: OUTPUT,
      lease_token: task.lease_token,
    }),
  };
}

/** A client that calls our queue over HTTP; connections are kept alive. */
export function connectByHttp(way: HttpWay): Promise<QueueClient> {
  return Promise.resolve({
    async claim() {
      const text = await post(way.claimUrl, way, way.claimBody(nextWorker()));
      if (text === "" || text === "null") return undefined;
      const task = Claimed.parse(JSON.parse(text));
      return {
        owner: task.project_id,
        complete: () => post(way.completeUrl, way, way.completeBody(task)),
      };
    },
    close: () => Promise.resolve(),
  });
}

async function post(
  url: string,
  way: HttpWay,
  body: unknown,
): Promise<string> {
  const response = await fetch(url, {
    method: "POST",
    headers: { ...way.headers, "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`);
  return text;
}
