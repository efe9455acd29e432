import { repeatingClaim } from "./claims.ts";
import { QueueError, ShuttingDown } from "./errors.ts";
import type { Claim } from "./calls.ts";
import { webRuntime } from "./runtime.ts";
import { beats, reports } from "./signs-of-life.ts";
import { runTask, type TaskRun } from "./task-run.ts";
import type { WorkerOptions } from "./worker-options.ts";

const SECOND = 1000;

/**
 * Works until `stop` aborts: claims, sends heartbeats, reports results. Then it
 * claims no more, lets its tasks finish within the grace period or releases
 * them, which costs no attempt, says goodbye, and returns.
 *
 * @throws {QueueError} the queue refuses this worker: bad key, or told to end
 * @example await runWorker({ client, workerId, handle, stop })
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { client, workerId, handle, stop, runtime = webRuntime } = options;
  const { pollMs = 10 * SECOND, graceMs = 5 * SECOND } = options;
  const tell = options.onEvent ?? (() => {});
  const runs = new Map<string, TaskRun>();
  const signs = options.signsOfLife === "reports"
    ? reports(client, runs)
    : beats(client, workerId, runs);
  const claim = repeatingClaim(client, {
    worker_id: workerId,
    run_type: options.pool ?? "gpu",
  }, runtime.newId);
  const deps = { client, runtime, handle, graceMs, log: signs.log, tell };

  const over = new AbortController();
  const living = showSigns();
  const shutDown = () => {
    for (const { cut } of runs.values()) cut.abort(new ShuttingDown());
  };
  stop.addEventListener("abort", shutDown, { once: true });
  const working = new Set<Promise<void>>();
  let isWaiting = false;
  try {
    while (!stop.aborted) {
      if (working.size >= (options.concurrency ?? 1)) {
        await Promise.race(working);
        continue;
      }
      const task = await next();
      // Each poll up to a tenth earlier, so that a fleet does not poll in step.
      if (task === null) await pause(pollMs * (1 - runtime.random() / 10));
      else start(task);
    }
  } catch (error) {
    shutDown();
    throw error;
  } finally {
    await Promise.all(working);
    over.abort();
    await living;
    await unlessUnheard(signs.leave());
    stop.removeEventListener("abort", shutDown);
  }

  /** Never aborted: the reply may bring a task. */
  async function next(): Promise<Claim | null> {
    try {
      const task = await claim();
      if (task === null && !isWaiting) tell({ event: "waiting" });
      isWaiting = task === null;
      return task;
    } catch (error) {
      if (error instanceof QueueError && error.code !== "CLAIM_ID_USED") {
        throw error;
      }
      tell({ event: "unheard", detail: String(error) });
      return null;
    }
  }

  function start(task: Claim): void {
    const run = { task, cut: new AbortController() };
    runs.set(task.task_id, run);
    if (stop.aborted) run.cut.abort(new ShuttingDown());
    const work = runTask(run, deps).finally(() => {
      runs.delete(task.task_id);
      working.delete(work);
    });
    working.add(work);
  }

  async function showSigns(): Promise<void> {
    const { signMs = 20 * SECOND } = options;
    while (!over.signal.aborted) {
      await unlessUnheard(signs.show());
      await runtime.wait(signMs, over.signal);
    }
  }

  async function unlessUnheard(sign: Promise<void>): Promise<void> {
    await sign.catch((error: unknown) =>
      tell({ event: "unheard", detail: String(error) })
    );
  }

  function pause(ms: number): Promise<void> {
    return runtime.wait(ms, stop);
  }
}
