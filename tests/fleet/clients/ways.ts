import {
  type Child,
  child,
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

/** 21 January to 17 March: a list of dependencies; duplicates are deleted. */
export const WAYS_OF_MARCH: Ways = {
  ...young(createSinceJanuary),
  known: async (wire, { id }, indexOf) =>
    await withoutDuplicates(wire, await listChildren(wire, id), indexOf),
};

/** From 30 March on: all of a child in `input`. */
export const WAYS_OF_APRIL: Ways = young(createSinceMarch);

/** Young orchestrators ask a function; those since 18 March only log duplicates. */
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
      const after = dependencies.length === 0 ? null : dependencies;
      const one = child(parent, task_type, params, after, parent.project_id);
      const created = await send(wire, one);
      // Anything else, 201 too, fails the orchestrator.
      if (created?.status !== 200) {
        throw new Error(`create-task: ${created?.text}`);
      }
      return one.task_id;
    },
  };
}

/**
 * From 12 February on: asks before each child whether it has been cancelled
 * itself. If so it cancels the children that live, and enqueues no more.
 */
export function askingFirst(ways: Ways): Ways {
  return {
    ...ways,
    async create(wire, parent, task_type, params, dependencies) {
      const body = { task_id: parent.id };
      const answer = await wire.edgeWithRetry("get-task-status", body);
      const { status } = (answer?.json ?? {}) as Row;
      if (status !== "Cancelled") {
        return await ways.create(wire, parent, task_type, params, dependencies);
      }
      await cancelChildren(wire, parent);
      throw new Error("The orchestrator was cancelled");
    },
  };
}

async function cancelChildren(wire: Wire, { id }: Task): Promise<void> {
  for (const { id: task_id, status } of await listChildren(wire, id)) {
    if (!["Queued", "In Progress"].includes(String(status))) continue;
    await wire.edgeWithRetry("update-task-status", {
      task_id,
      status: "Cancelled",
      output_location: "The orchestrator was cancelled",
    });
  }
}
