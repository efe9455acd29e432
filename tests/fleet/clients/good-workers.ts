import { expect } from "vitest";
import { beat } from "../../support/fleet.ts";
import { API_WORKER } from "./api-claims.ts";
import { taskOf } from "./claims.ts";
import type { Wire } from "./wire.ts";

/** As many as there can be, and more. */
const MOST = 20;

/** New machines, one per task, and the API worker: they end all that there is. */
export async function endAll(wire: Wire, name: string): Promise<void> {
  await takeAll(wire, "gpu", name);
  await takeAll(wire, "api", API_WORKER);
}

async function takeAll(wire: Wire, pool: string, id: string): Promise<void> {
  for (let claim = 0; claim < MOST; claim++) {
    const worker = pool === "gpu" ? `${id}-${claim}` : id;
    if (pool === "gpu") await beat(worker);
    const body = { worker_id: worker, run_type: pool };
    const ask = () => wire.edge("claim-next-task", body);
    let answer = await ask();
    // Said to be gone while it was idle: one refusal, and no more.
    if (answer.status === 409) answer = await ask();
    const task = taskOf(answer);
    if (task === null) return;
    const output_location = `https://a.test/${task}`;
    const ended = { task_id: task, output_location };
    const { status, text } = await wire.edge("complete_task", ended);
    expect(status, text).toBe(200);
  }
}
