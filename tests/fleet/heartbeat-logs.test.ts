import { beforeEach, describe, expect, it } from "vitest";
import { beatBody, curl } from "../support/beats.ts";
import { rest } from "../support/rest.ts";
import { reset } from "../support/world.ts";

const BEAT = "func_worker_heartbeat_with_logs";
const W = "gpu-of-a-test";

beforeEach(reset);

describe("the log lines of a heartbeat", () => {
  it("may hold any character, NUL among them", async () => {
    const lines = [
      { message: "before \u0000 after" },
      { message: "\u{1F600} ümläut \u0001 \\u0000", level: "CRITICAL" },
    ];
    // What Python's json.dumps writes: everything escaped.
    const body = escaped(beatBody(W, lines));
    const reply = await curl(BEAT, body);
    expect(reply.status, reply.text).toBe(200);
    expect(reply.json).toMatchObject({ logs_inserted: 2, log_errors: 0 });
    expect(await messages()).toEqual([
      "before \uFFFD after",
      "\u{1F600} ümläut \u0001 \\u0000",
    ]);
  });

  it("may be more than the guardian's hundred", async () => {
    const lines = Array.from({ length: 150 }, (_, i) => ({ message: `${i}` }));
    const reply = await curl(BEAT, beatBody(W, lines));
    expect(reply.json).toMatchObject({ logs_inserted: 150, log_errors: 0 });
  });

  it("do not fail the heartbeat when they are no list", async () => {
    const body = { ...beatBody(W), logs_param: [7, { message: "a line" }] };
    const reply = await curl(BEAT, body);
    expect(reply.status).toBe(200);
    expect(reply.json).toMatchObject({
      success: true,
      heartbeat_updated: true,
      logs_inserted: 1,
      log_errors: 1,
    });
  });

  it("may be 90 KB, as much as the guardian can send", async () => {
    const lines = Array.from(
      { length: 100 },
      () => ({ message: "x".repeat(900), task_id: "unknown" }),
    );
    const reply = await curl(BEAT, beatBody(W, lines));
    expect(reply.json).toMatchObject({ logs_inserted: 100, log_errors: 0 });
  });

  it("are found by the orchestrator that waits for the first", async () => {
    await curl(BEAT, beatBody(W, [{ message: "hello" }]));
    const found = await rest("GET", "system_logs", {
      select: "id",
      source_type: "eq.worker",
      worker_id: `eq.${W}`,
      limit: "1",
    });
    expect(found.json).toHaveLength(1);
  });

  // PostgREST 12 refuses such a body before SQL sees it; see docs/architecture.md.
  it("cost the heartbeat when half a surrogate pair is among them", async () => {
    const body = escaped(beatBody(W, [{ message: "half \uD83D" }]));
    const reply = await curl(BEAT, body);
    expect(reply.status).toBe(400);
    expect(reply.json).toMatchObject({ code: "PGRST102" });
  });
});

describe("an orchestrator's batch", () => {
  it("is stored and counted", async () => {
    const line = {
      timestamp: new Date().toISOString().replace("Z", "+00:00"),
      source_type: "orchestrator_gpu",
      source_id: "main",
      log_level: "INFO",
      message: "cycle \u0000 done",
      metadata: { module: "control_loop", lineno: 17 },
      cycle_number: 3,
      worker_id: W,
    };
    const reply = await curl("func_insert_logs_batch", { logs: [line, 7] });
    expect(reply.status).toBe(200);
    expect(reply.json).toEqual({ success: true, inserted: 1, errors: 1 });
    const stored = await rest("GET", "system_logs", {
      select: "message,cycle_number,worker_id,metadata",
    });
    expect(stored.json).toEqual([{
      message: "cycle \uFFFD done",
      cycle_number: 3,
      worker_id: W,
      metadata: line.metadata,
    }]);
  });
});

function escaped(body: unknown): string {
  return JSON.stringify(body).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

async function messages(): Promise<string[]> {
  const logs = await rest("GET", "system_logs", {
    select: "message",
    order: "id",
  });
  return (logs.json as { message: string }[]).map((log) => log.message);
}
