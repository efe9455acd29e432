/** What both orchestrators log, in batches, every five seconds: contract 5. */
import { beforeEach, describe, expect, it } from "vitest";
import { rest } from "../support/rest.ts";
import { reset } from "../support/world.ts";

const LINE = {
  timestamp: "2026-01-11T12:00:00.123456+00:00",
  source_type: "orchestrator_gpu",
  source_id: "main",
  log_level: "INFO",
  message: "Cycle 7",
  metadata: {
    module: "control_loop",
    funcName: "run_cycle",
    lineno: 17,
    pathname: "/app/control_loop.py",
    thread: 140_000_000_000_000,
    threadName: "MainThread",
  },
};

beforeEach(reset);

describe("func_insert_logs_batch answers an object that counts errors", () => {
  it.each(["orchestrator_gpu", "orchestrator_api"])(
    "%s: all that it names is stored, ids that are none too",
    async (source_type) => {
      const line = {
        ...LINE,
        source_type,
        log_level: "ERROR",
        metadata: {
          ...LINE.metadata,
          exception: "Traceback (most recent call last):\n  boom",
          extra: { nested: [1, null] },
        },
        cycle_number: 7,
        task_id: "unknown_task_1768132800",
        worker_id: "gpu-20260111_120000-0a1b2c3d",
      };
      const reply = await insert([line]);
      expect([reply.status, reply.json])
        .toEqual([200, { success: true, inserted: 1, errors: 0 }]);
      const stored = await rest("GET", "system_logs", {
        select: "source_type,source_id,log_level,message,metadata," +
          "cycle_number,task_id,worker_id",
        task_id: `eq.${line.task_id}`,
      });
      const { timestamp: _, ...sent } = line;
      expect(stored.json).toEqual([sent]);
    },
  );

  it("a batch may be a little more than fifty", async () => {
    const lines = Array.from({ length: 53 }, () => LINE);
    expect((await insert(lines)).json)
      .toEqual({ success: true, inserted: 53, errors: 0 });
  });

  it("a line that is none is counted, and the others are stored", async () => {
    const reply = await insert([LINE, "no line", null, LINE]);
    expect([reply.status, reply.json])
      .toEqual([200, { success: true, inserted: 2, errors: 2 }]);
  });

  it("no line at all is no error", async () => {
    expect((await insert([])).json)
      .toEqual({ success: true, inserted: 0, errors: 0 });
  });
});

function insert(logs: readonly unknown[]) {
  return rest("POST", "rpc/func_insert_logs_batch", {}, { body: { logs } });
}
