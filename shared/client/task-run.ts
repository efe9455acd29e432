import {
  isLeaseLost,
  LeaseLostError,
  NonRetryableError,
  ShuttingDown,
} from "./errors.ts";
import type { Claim, Output } from "./calls.ts";
import type { QueueClient } from "./queue-client.ts";
import type { Runtime } from "./runtime.ts";
import type { Enqueued, Handler, WorkerEvent } from "./worker-options.ts";

/** One task that a worker runs. */
export interface TaskRun {
  readonly task: Claim;
  /** Aborting it, with a reason, is how the handler is stopped. */
  readonly cut: AbortController;
}

/** What a run needs from its worker. */
export interface TaskRunDeps {
  readonly client: QueueClient;
  readonly runtime: Runtime;
  readonly handle: Handler;
  readonly graceMs: number;
  readonly log: (taskId: string, message: string) => void;
  readonly tell: (event: WorkerEvent) => void;
}

type Outcome =
  | { readonly kind: "result"; readonly result: Output | Enqueued }
  | { readonly kind: "error"; readonly error: unknown };

/** Runs the handler and tells the queue what came of it. Never throws. */
export async function runTask(run: TaskRun, deps: TaskRunDeps): Promise<void> {
  const { task: { task_id }, cut } = run;
  deps.tell({ event: "claimed", task_id });
  const outcome = await settle(run, deps);
  const reason: unknown = cut.signal.reason;
  if (reason instanceof LeaseLostError) {
    return deps.tell({ event: "dropped", task_id, detail: reason.message });
  }
  try {
    deps.tell({ task_id, ...await report(run, outcome, deps.client) });
  } catch (error) {
    const event = isLeaseLost(error) ? "dropped" : "unheard";
    deps.tell({ event, task_id, detail: textOf(error) });
  }
}

/** The handler's end, or the end of the grace it has after its signal. */
async function settle(run: TaskRun, deps: TaskRunDeps): Promise<Outcome> {
  const { task, cut: { signal } } = run;
  const { runtime, handle, graceMs, log } = deps;
  // It may have been claimed while the worker was told to stop.
  if (signal.aborted) return { kind: "error", error: signal.reason };
  const settled = new AbortController();
  const context = {
    signal,
    log: (message: string) => log(task.task_id, message),
    progress: (text: string) => progress(run, text, deps),
  };
  const work = Promise.resolve()
    .then(() => handle(task, context))
    .then(
      (result): Outcome => ({ kind: "result", result }),
      (error: unknown): Outcome => ({ kind: "error", error }),
    );
  const graceIsOver = aborted(signal, settled.signal)
    .then(() => runtime.wait(graceMs, settled.signal))
    .then((): Outcome => ({ kind: "error", error: signal.reason }));
  const outcome = await Promise.race([work, graceIsOver]);
  settled.abort();
  return outcome;
}

/** A failed heartbeat is no reason to stop; a lost task is. */
async function progress(
  { task, cut }: TaskRun,
  text: string,
  { client, tell }: TaskRunDeps,
): Promise<void> {
  try {
    await client.report(task, text);
  } catch (error) {
    if (isLeaseLost(error)) {
      cut.abort(new LeaseLostError(error.message));
      throw error;
    }
    const { task_id } = task;
    tell({ event: "unheard", task_id, detail: textOf(error) });
  }
}

async function report(
  { task, cut }: TaskRun,
  outcome: Outcome,
  client: QueueClient,
): Promise<WorkerEvent> {
  if (outcome.kind === "result") {
    // Finished is finished, even while shutting down.
    if ("enqueued" in outcome.result) {
      await client.report(task, outcome.result.enqueued);
      return { event: "enqueued" };
    }
    await client.complete(task, outcome.result);
    return { event: "completed" };
  }
  if (cut.signal.reason instanceof ShuttingDown) {
    await client.handBack(task);
    return { event: "handed back" };
  }
  const error_message = textOf(outcome.error);
  const retryable = !(outcome.error instanceof NonRetryableError);
  await client.fail(task, { error_message, retryable });
  return { event: "failed", detail: error_message };
}

/** Resolves when `signal` aborts; forgotten when `done` does. */
function aborted(signal: AbortSignal, done: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const hear = () => resolve();
    signal.addEventListener("abort", hear, { once: true });
    done.addEventListener(
      "abort",
      () => signal.removeEventListener("abort", hear),
      { once: true },
    );
  });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
