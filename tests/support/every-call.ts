/**
 * A program that makes every call of the kit once, under whatever runtime it is
 * started with, and prints what it was answered.
 */
import process from "node:process";
import { createQueueClient } from "../../shared/client/queue-client.ts";

const { env } = process;
const client = createQueueClient({
  url: env["SUPABASE_URL"] ?? "",
  key: env["QUEUE_KEY"] ?? "",
});
const worker_id = "worker-of-two-runtimes";
const task = {
  task_type: "clip",
  project_id: env["PROJECT_ID"] ?? "",
  params: { prompt: "caf\u00E9 \u{1F600}" },
};

const created = await client.create(task);
const counts = await client.counts({ run_type: "gpu" });
const claimed = await taken();
const beat = await client.beat({
  worker_id,
  task_id: claimed.task_id,
  logs: [{
    timestamp: new Date().toISOString(),
    level: "INFO",
    message: "half \uD83D",
    task_id: claimed.task_id,
  }],
});
const reported = await client.report(claimed, "Began");
const completed = await client.complete(claimed, { output_location: "a.mp4" });
await client.create(task);
const handedBack = await client.handBack(await taken());
const failed = await client.fail(await taken(), {
  error_message: "no use",
  retryable: false,
});
const none = await client.claim({ worker_id });

console.log(JSON.stringify({
  runtime: "Deno" in globalThis ? "deno" : "node",
  created: created.task_id === claimed.task_id,
  counted: counts.totals.queued_only,
  params: claimed.params,
  beat: { success: beat.success, stop: beat.stop },
  reported: reported.status,
  completed: completed.status,
  handedBack: handedBack.status,
  failed: failed.status,
  none,
}));

async function taken() {
  const claim = await client.claim({ worker_id });
  if (claim === null) throw new Error("Nothing to claim");
  return claim;
}
