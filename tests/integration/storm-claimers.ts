import { ClaimedTask } from "../../shared/claim.ts";
import type { Connection } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { claim, complete } from "../support/operations.ts";
import { stack } from "../support/stack.ts";

/** A worker's way to the queue. */
export interface Claimer {
  claim(workerId: string): Promise<ClaimedTask | null>;
  complete(taskId: string): Promise<void>;
}

/** As deployed workers come: through the functions. */
export const overHttp: Claimer = {
  async claim(worker_id) {
    const { status, json, text } = await post("claim-next-task", {
      worker_id,
      run_type: "gpu",
    });
    if (status === 204) return null;
    if (status !== 200) throw new Error(`Claim: ${status} ${text}`);
    return ClaimedTask.parse(json);
  },
  async complete(task_id) {
    const { status, text } = await post("complete-task", {
      task_id,
      output_location: `https://files.test/${task_id}.mp4`,
    });
    if (status !== 200) throw new Error(`Complete: ${status} ${text}`);
  },
};

/** Straight to the database, on a connection of its own. */
export function overSql(sql: Connection): Claimer {
  return {
    claim: (workerId) => claim(sql, workerId),
    complete: async (taskId) => void await complete(sql, taskId),
  };
}

function post(name: string, body: unknown) {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}
