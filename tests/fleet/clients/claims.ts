import type { Answer, Wire } from "./wire.ts";

/** Minutes after which a task of another model is as good as one of its own. */
const MAX_TASK_WAIT_MINUTES = 5;

/** A claim of a GPU worker from 30 March on: all four fields, always. */
export function claimOfApril(wire: Wire, worker: string): Promise<Answer> {
  return wire.edge("claim-next-task", {
    worker_id: worker,
    run_type: "gpu",
    same_model_only: true,
    max_task_wait_minutes: MAX_TASK_WAIT_MINUTES,
  });
}

/** A claim of a GPU worker before 30 March. */
export function claimOfMarch(wire: Wire, worker: string): Promise<Answer> {
  return wire.edge("claim-next-task", { worker_id: worker, run_type: "gpu" });
}

/** What a worker says when it has loaded a model, until 30 March. */
export function tellModelOfMarch(
  wire: Wire,
  worker: string,
  model: string,
): Promise<Answer> {
  return wire.edge("update-worker-model", { worker_id: worker, model });
}

/** The same from 31 March on. */
export function tellModel(
  wire: Wire,
  worker: string,
  model: string,
): Promise<Answer> {
  const body = { worker_id: worker, current_model: model };
  return wire.edge("update-worker-model", body);
}

/** The task that a claim was answered with; null when it was answered 204. */
export function taskOf({ status, json }: Answer): string | null {
  if (status === 204) return null;
  const { task_id } = json as { task_id?: string };
  if (status !== 200 || task_id === undefined) {
    throw new Error(`A claim was answered ${status}`);
  }
  return task_id;
}
