import {
  type Child,
  createSinceJanuary,
  createSinceMarch,
} from "./children-since-march.ts";
import {
  childrenOf,
  createChild,
  listChildren,
  withoutDuplicates,
} from "./children.ts";
import type { Task } from "./task.ts";
import type { Answer, Row, Wire } from "./wire.ts";

/** How an orchestrator of one generation looks after its children. */
export interface Ways {
  /** What it has enqueued, by the index that tells one from the other. */
  known(
    wire: Wire,
    task: Task,
    indexOf: (child: Row) => unknown,
  ): Promise<Map<unknown, Row>>;
  /** Enqueues one; its id. */
  create(
    wire: Wire,
    parent: Task,
    task_type: string,
    params: Readonly<Record<string, unknown>>,
    dependant_on: readonly string[],
  ): Promise<string>;
}

/** January: all through the tables, one dependency, duplicates are deleted. */
export const WAYS_OF_JANUARY: Ways = {
  known: async (wire, { id }, indexOf) =>
    await withoutDuplicates(wire, await childrenOf(wire, id), indexOf),
  create: (wire, parent, type, params, dependencies) =>
    createChild(wire, parent, type, params, dependencies.at(-1) ?? null),
};

/** 21 January to 29 March: a list of dependencies. */
export const WAYS_OF_MARCH: Ways = young(createSinceJanuary);

/** From 30 March on: all of a child in `input`. */
export const WAYS_OF_APRIL: Ways = young(createSinceMarch);

/** Young orchestrators ask a function, and log duplicates without more. */
function young(
  send: (wire: Wire, child: Child) => Promise<Answer | null>,
): Ways {
  return {
    async known(wire, { id }, indexOf) {
      const first = new Map<unknown, Row>();
      for (const child of await listChildren(wire, id)) {
        const index = indexOf(child);
        if (!first.has(index)) first.set(index, child);
      }
      return first;
    },
    async create(wire, parent, task_type, params, dependencies) {
      const task_id = crypto.randomUUID();
      const created = await send(wire, {
        task_id,
        task_type,
        params: {
          ...params,
          project_id: parent.project_id,
          orchestrator_task_id_ref: parent.id,
        },
        dependant_on: dependencies.length === 0 ? null : dependencies,
      });
      // Anything else, 201 too, fails the orchestrator.
      if (created?.status !== 200) {
        throw new Error(`create-task: ${created?.text}`);
      }
      return task_id;
    },
  };
}
