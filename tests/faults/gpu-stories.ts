import { createTask, type Owner, startTask } from "../support/world.ts";
import type { Backend, FunctionName } from "./backend.ts";
import { GpuWorker } from "./gpu-worker.ts";
import type { Story } from "./story.ts";
import { partNo } from "../support/fleet-words.ts";

const WORKER = "gpu-20260123_120000-0000000a";
const OUTPUT = { output_location: "https://files.test/out.mp4" };

/** Everything that gpu workers call functions for. */
export const gpuStories: readonly Story[] = [
  {
    name: "a gpu worker is told what there is",
    struck: "task-counts",
    calls: 1,
    play: claimAndComplete,
  },
  {
    name: "a gpu worker claims",
    struck: "claim-next-task",
    calls: 1,
    play: claimAndComplete,
  },
  {
    name: "a gpu worker enqueues a child",
    struck: "create-task",
    calls: 1,
    play: (backend, owner) =>
      new GpuWorker(backend).create({
        task_id: crypto.randomUUID(),
        task_type: "clip",
        project_id: owner.projectId,
        params: partNo(0),
        dependant_on: null,
      }),
  },
  byGpu(
    "reports progress",
    "update-task-status",
    1,
    (worker, task_id) =>
      worker.report({
        task_id,
        status: "In Progress",
        output_location: "Successfully enqueued 3 parts",
      }),
  ),
  byGpu(
    "begins to bill",
    "update-task-status",
    1,
    (worker, task_id) =>
      worker.report({
        task_id,
        status: "In Progress",
        reset_generation_started_at: true,
      }),
  ),
  byGpu(
    "fails",
    "update-task-status",
    1,
    (worker, task_id) =>
      worker.report({
        task_id,
        status: "Failed",
        output_location: "No memory",
      }),
  ),
  byGpu(
    "hands its task back",
    "update-task-status",
    1,
    (worker, task_id) => worker.report({ task_id, status: "Queued" }),
  ),
  byGpu(
    "asks for another try",
    "mark-task-failed",
    1,
    (worker, task_id) =>
      worker.markFailed({ task_id, error_message: "CUDA error" }),
  ),
  byGpu(
    "hands in text",
    "complete-task",
    1,
    (worker, task_id) => worker.complete(task_id, OUTPUT),
  ),
  byGpu(
    "hands in another task's file",
    "complete-task",
    2,
    (worker, id) =>
      worker.complete(id, {
        storage_path:
          "00000000-0000-0000-0000-00000000000f/tasks/other/out.mp4",
      }),
  ),
  byGpu(
    "hands in its files",
    "complete-task",
    4,
    (worker, task_id) => worker.completeWithFiles(task_id),
  ),
  byGpu(
    "asks where to upload",
    "generate-upload-url",
    3,
    (worker, task_id) => worker.completeByUpload(task_id),
  ),
  byGpu(
    "hands in what it uploaded",
    "complete-task",
    4,
    (worker, task_id) => worker.completeByUpload(task_id),
  ),
];

/** Of those, the ones that end with a result. */
export const completions: readonly Story[] = gpuStories.filter((
  { struck, calls },
) => struck === "complete-task" || calls > 1);

async function claimAndComplete(
  backend: Backend,
  owner: Owner,
): Promise<string> {
  const task_id = await createTask(owner);
  const worker = new GpuWorker(backend);
  const task = await worker.poll(WORKER, "gpu");
  await worker.complete(task.task_id, OUTPUT);
  return task_id;
}

function byGpu(
  name: string,
  struck: FunctionName,
  calls: number,
  act: (worker: GpuWorker, taskId: string) => Promise<unknown>,
): Story {
  return {
    name: `a gpu worker ${name}`,
    struck,
    calls,
    async play(backend, owner) {
      const id = await createTask(owner);
      await startTask(id, WORKER);
      await act(new GpuWorker(backend), id);
      return id;
    },
  };
}
