import fc from "fast-check";
import { beforeEach, expect, it } from "vitest";
import {
  anyReport,
  SAID,
} from "../../supabase/functions/_fairlane/_test/reports.ts";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import { reset } from "../support/world.ts";

beforeEach(reset);

const WORKER = "gpu-20261130_100000-00000001";

it.each([
  [
    "func_worker_heartbeat_with_logs",
    { worker_id_param: WORKER },
    [
      "vram_total_mb_param",
      "vram_used_mb_param",
      "logs_param",
      "status_param",
      "current_task_id_param",
    ],
  ],
  ["func_insert_logs_batch", { logs: [{ message: SAID }] }, ["extra"]],
])(
  "%s takes whatever it brings, if it is JSON",
  async (name, needed, optional) => {
    const bodies = fc.sample(
      anyReport({ needed, optional, words: ["words"] }),
      { numRuns: 200, seed: 20_261_130 },
    ).filter(isJson);
    // PostgREST reads the body before any code of the queue's.
    expect(bodies.length).toBeGreaterThan(60);
    for (const body of bodies) {
      const reply = await call(name, body);
      expect(reply.status, `${new TextDecoder().decode(body)} ${reply.text}`)
        .toBe(200);
      expect(JSON.parse(reply.text)).toMatchObject({ success: true });
    }
  },
);

it("a log line keeps the size it was sent in", async () => {
  const bomb = `{"a":[${Array(300).fill("1e131071").join(",")}]}`;
  const body = `{"worker_id_param":"${WORKER}","logs_param":[` +
    `{"message":"${SAID}","metadata":${bomb}}]}`;
  const reply = await call(
    "func_worker_heartbeat_with_logs",
    new TextEncoder().encode(body),
  );
  expect(JSON.parse(reply.text)).toMatchObject({ logs_inserted: 1 });
  const [row] = await admin()<{ size: number }[]>`
    select length(metadata::text) as size from public.system_logs
  `;
  expect(row?.size).toBeLessThan(2 * bomb.length);
});

function isJson(body: Uint8Array<ArrayBuffer>): boolean {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    // It takes a half of a pair for no JSON.
    const halves = text.replaceAll("\\\\", "")
      .replace(/\\ud[89ab]..\\ud[c-f]../gi, "");
    JSON.parse(text);
    return !/\\ud[89a-f]/i.test(halves);
  } catch {
    return false;
  }
}

async function call(name: string, body: Uint8Array<ArrayBuffer>) {
  const key = stack().serviceRoleKey;
  const response = await fetch(`${stack().apiUrl}/rest/v1/rpc/${name}`, {
    method: "POST",
    headers: { apikey: key, "content-type": "application/json" },
    body,
  });
  return { status: response.status, text: await response.text() };
}
