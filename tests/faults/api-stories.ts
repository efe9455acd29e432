import { createTask } from "../support/world.ts";
import type { FunctionName } from "./backend.ts";
import { ApiOrchestrator, EXTERNAL_URL } from "./api-orchestrator.ts";
import type { Story } from "./story.ts";

const WORKER = "api-worker-main";

/** What the API orchestrator, which repeats no call, calls functions for. */
export const apiStories: readonly Story[] = [
  byApi("is told what there is", "task-counts", 1, completeText),
  withFile(
    "hands in its files",
    "complete-task",
    4,
    (api, task_id) => api.completeWithFiles(task_id),
  ),
  withFile(
    "asks where to upload",
    "generate-upload-url",
    3,
    (api, task_id) => api.completeByUpload(task_id),
  ),
  withFile(
    "hands in what it uploaded",
    "complete-task",
    4,
    (api, task_id) => api.completeByUpload(task_id),
  ),
  byApi("hands in text", "complete-task", 1, completeText),
  byApi(
    "hands in nothing",
    "complete-task",
    1,
    (api, task_id) => api.complete(task_id, {}),
  ),
];

function completeText(api: ApiOrchestrator, task_id: string): Promise<void> {
  return api.complete(task_id, { output_location: EXTERNAL_URL });
}

function withFile(...story: Parameters<typeof byApi>): Story {
  return { ...byApi(...story), hasFile: true };
}

function byApi(
  name: string,
  struck: FunctionName,
  calls: number,
  act: (api: ApiOrchestrator, taskId: string) => Promise<unknown>,
): Story {
  return {
    name: `the API orchestrator ${name}`,
    struck,
    calls,
    async play(backend, owner) {
      const id = await createTask(owner, { task_type: "edit_image" });
      const api = new ApiOrchestrator(backend);
      const task = await api.poll(WORKER, "api");
      await act(api, task.task_id);
      return id;
    },
  };
}
