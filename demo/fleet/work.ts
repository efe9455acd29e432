import type { Claim } from "../../shared/client/calls.ts";
import type { QueueClient } from "../../shared/client/queue-client.ts";
import type { Runtime } from "../../shared/client/runtime.ts";
import type { Handler } from "../../shared/client/worker-options.ts";
import { attemptOf } from "../ledger.ts";
import type { Pace } from "../pace.ts";
import { Simulation } from "../world/tasks.ts";
import { enqueueChildren } from "./orchestrate.ts";

/** What a simulated machine works with. */
export interface Machine {
  readonly client: QueueClient;
  readonly runtime: Runtime;
  readonly pace: Pace;
  /** A task has begun. */
  onBegin(task: Claim): void;
  /** Half of the work is done. A machine may die of it. */
  onHalfWay(task: Claim): void;
}

/** Seconds of production that a task takes when it does not say. */
const USUAL_SECONDS: Readonly<Record<string, number>> = {
  travel_orchestrator: 4,
  travel_segment: 40,
  travel_stitch: 20,
  join_clips: 30,
};

/**
 * What a worker of the demo does for a task: an orchestrator enqueues its
 * children, everything else takes its time and makes a file that nobody sees.
 */
export function simulatedWork(machine: Machine): Handler {
  const { client, runtime, pace } = machine;
  return async (task, { signal, progress }) => {
    machine.onBegin(task);
    const { seconds, fails } = simulationOf(task);
    const half = pace.ms(seconds / 2);
    if (task.task_type === "travel_orchestrator") {
      await runtime.wait(half, signal);
      return { enqueued: await enqueueChildren(client, task) };
    }
    await progress("Loading the model");
    await runtime.wait(half, signal);
    machine.onHalfWay(task);
    await runtime.wait(half, signal);
    // Cancelled, lost or told to stop: the kit says the rest.
    signal.throwIfAborted();
    if (fails === "always" || (fails === "first" && attemptOf(task) === 1)) {
      throw new Error("CUDA out of memory");
    }
    return { output_location: `https://example.com/${task.task_id}.mp4` };
  };
}

/** Whether the task would end well, and it is its first start. */
export function isSound(task: Claim): boolean {
  return task.task_type !== "travel_orchestrator" && attemptOf(task) === 1 &&
    simulationOf(task).fails === undefined;
}

function simulationOf({ task_type, params }: Claim) {
  const told = Simulation.catch({}).parse(params["simulation"]);
  return { ...told, seconds: told.seconds ?? USUAL_SECONDS[task_type] ?? 30 };
}
