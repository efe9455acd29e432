import type { Task } from "./task.ts";
import type { Answer, Wire } from "./wire.ts";

/** A child as an orchestrator of one of the younger workers asks for it. */
export interface Child {
  readonly task_id: string;
  readonly task_type: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly dependant_on: readonly string[] | null;
}

/** A new child under an id of the worker's own; the project is one of its params, if it is known. */
export function child(
  parent: Task,
  task_type: string,
  params: Readonly<Record<string, unknown>>,
  dependant_on: readonly string[] | null,
  project_id?: string,
): Child {
  return {
    task_id: crypto.randomUUID(),
    task_type,
    params: {
      ...params,
      ...(project_id === undefined ? {} : { project_id }),
      orchestrator_task_id_ref: parent.id,
    },
    dependant_on,
  };
}

/** Workers from 21 January to 29 March: dependencies as a list or null. */
export function createSinceJanuary(
  wire: Wire,
  { task_id, params, task_type, dependant_on }: Child,
): Promise<Answer | null> {
  return wire.edgeWithRetry("create-task", {
    task_id,
    params,
    task_type,
    project_id: projectOf(params),
    dependant_on,
  });
}

/** Workers from 30 March on: all of it in `input`, the last two written last. */
export function createSinceMarch(
  wire: Wire,
  { task_id, params, task_type, dependant_on }: Child,
): Promise<Answer | null> {
  return wire.edgeWithRetry("create-task", {
    family: task_type,
    project_id: projectOf(params),
    input: { ...params, task_id, dependant_on },
  });
}

function projectOf(params: Readonly<Record<string, unknown>>): unknown {
  return params["project_id"] ?? "default_project_id";
}
