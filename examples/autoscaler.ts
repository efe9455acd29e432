/**
 * An autoscaler: asks `task-counts` how many workers make sense, and starts or
 * stops that many on this machine. Rent machines where it spawns processes.
 *
 *   SUPABASE_URL=… QUEUE_KEY=<service key> npx tsx examples/autoscaler.ts
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createQueueClient } from "../shared/client/queue-client.ts";
import { webRuntime } from "../shared/client/runtime.ts";
import type { CountsReply } from "../shared/counts.ts";

const { env } = process;
const MAX_WORKERS = Number(env["MAX_WORKERS"] ?? 4);
const POLL_MS = Number(env["POLL_MS"] ?? 30_000);
/** Fewer are wanted so many times in a row before one is stopped. */
const PATIENCE = Number(env["PATIENCE"] ?? 4);
/** With these it goes up by one at a time: see docs/errors.md. */
const DOUBTS = ["JUMP_FROM_ZERO", "WORK_OLDER_THAN_A_DAY"];

const workerFile = fileURLToPath(new URL("./worker.ts", import.meta.url));
const client = createQueueClient({
  url: env["SUPABASE_URL"] ?? "",
  key: env["QUEUE_KEY"] ?? "",
});
const workers = new Set<ChildProcess>();
const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.on(name, () => stop.abort());
}

let timesFewer = 0;
while (!stop.signal.aborted) {
  try {
    scale(await client.counts({ run_type: "gpu", include_lists: false }));
  } catch (error) {
    // No numbers are no reason to change anything.
    tell({ event: "no counts", detail: String(error) });
  }
  await webRuntime.wait(POLL_MS, stop.signal);
}
for (const worker of workers) worker.kill("SIGTERM");

/** Goes up at once, but by one when in doubt; goes down slowly, one by one. */
function scale({ suggested_workers, totals, warnings }: CountsReply): void {
  const codes = warnings.map(({ code }) => code);
  const wanted = Math.min(suggested_workers ?? 0, MAX_WORKERS);
  const running = workers.size;
  timesFewer = wanted < running ? timesFewer + 1 : 0;
  const more = mayAdd(codes, wanted - running);
  for (let i = 0; i < more; i++) startWorker();
  if (timesFewer >= PATIENCE) {
    timesFewer = 0;
    // It hands its task back, which costs the task nothing but time.
    [...workers].at(-1)?.kill("SIGTERM");
  }
  tell({ event: "scaled", wanted, running, added: more, codes, totals });
}

function mayAdd(codes: readonly string[], missing: number): number {
  // Those that run do not beat: more of the same would not, either.
  if (codes.includes("NO_WORKER_BEATING") && workers.size > 0) return 0;
  const isDoubtful = codes.some((code) => DOUBTS.includes(code));
  return Math.max(0, Math.min(missing, isDoubtful ? 1 : missing));
}

function startWorker(): void {
  const worker = spawn(process.execPath, [
    // As this process was started, so that tsx is found again.
    ...process.execArgv,
    workerFile,
  ], { env, stdio: "inherit" });
  workers.add(worker);
  worker.once("exit", () => workers.delete(worker));
}

function tell(event: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify(event));
}
