/**
 * A worker: claims tasks, beats, hands in results, hands back on SIGTERM.
 *
 *   SUPABASE_URL=… QUEUE_KEY=… npx tsx examples/worker.ts
 *
 * With a service key it works for everybody. With a user's token (`tq_…`) it
 * works for that user. With a user's JWT set QUEUE_SIGNS=reports: it may not beat.
 */
import process from "node:process";
import type { Claim } from "../shared/client/calls.ts";
import { NonRetryableError, QueueError } from "../shared/client/errors.ts";
import { createQueueClient } from "../shared/client/queue-client.ts";
import { runWorker } from "../shared/client/worker.ts";
import type { TaskContext } from "../shared/client/worker-options.ts";
import { webRuntime } from "../shared/client/runtime.ts";

const { env } = process;
const workerId = env["WORKER_ID"] ?? `worker-${crypto.randomUUID()}`;

const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.on(name, () => stop.abort());
}

await runWorker({
  client: createQueueClient({
    url: required("SUPABASE_URL"),
    key: required("QUEUE_KEY"),
  }),
  workerId,
  handle,
  stop: stop.signal,
  pool: env["QUEUE_POOL"] === "api" ? "api" : "gpu",
  signsOfLife: env["QUEUE_SIGNS"] === "reports" ? "reports" : "beats",
  pollMs: Number(env["POLL_MS"] ?? 10_000),
  signMs: Number(env["SIGN_MS"] ?? 20_000),
  onEvent: (event) => tell({ worker_id: workerId, ...event }),
}).catch((error: unknown) => {
  // A refused key or a worker that is to end: trying again is no use.
  const code = error instanceof QueueError ? error.code : undefined;
  tell({ error: `${code ?? ""} ${error}` });
  process.exitCode = 1;
});

/** Your work goes here. This one waits `params.seconds`, or says why not. */
async function handle(
  { task_id, params }: Claim,
  { signal, log, progress }: TaskContext,
) {
  const seconds = Number(params["seconds"] ?? 1);
  // Nobody else would fare better, so there is no other try.
  if (!Number.isFinite(seconds)) {
    throw new NonRetryableError("seconds must be a number");
  }
  log(`Will take ${seconds} s`);
  await progress("Began");
  await webRuntime.wait(seconds * 1000, signal);
  // Cancelled, lost or shutting down: stop, and let the kit say the rest.
  signal.throwIfAborted();
  return { output_location: `https://example.com/${task_id}.mp4` };
}

function tell(event: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify(event));
}

function required(name: string): string {
  const value = env[name];
  if (value) return value;
  console.error(`Set ${name}`);
  process.exit(2);
}
