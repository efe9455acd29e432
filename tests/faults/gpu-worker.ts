import { CreateReply } from "../../shared/create.ts";
import { Client, FILES } from "./client.ts";

/** The deployed gpu worker: three tries, then it reports the failure. */
export class GpuWorker extends Client {
  async complete(task_id: string, result: object): Promise<void> {
    await this.#orFail(
      task_id,
      () => this.call("complete-task", { task_id, ...result }, 3),
    );
  }

  completeWithFiles(task_id: string): Promise<void> {
    return this.complete(task_id, FILES);
  }

  async completeByUpload(task_id: string): Promise<void> {
    await this.#orFail(task_id, async () => {
      const paths = await this.put(await this.uploadUrls(task_id, 3));
      await this.call("complete-task", { task_id, ...paths }, 3);
    });
  }

  /** A failure to report is only printed. */
  async report(body: object): Promise<void> {
    await this.call("update-task-status", body, 3).catch(() => {});
  }

  async markFailed(body: object): Promise<void> {
    await this.call("mark-task-failed", body, 3).catch(() => {});
  }

  /** Its orchestrator handlers enqueue. */
  async create(body: object): Promise<string> {
    const reply = await this.call("create-task", body, 3);
    return CreateReply.parse(reply).task_id;
  }

  async #orFail(task_id: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const output_location = `Completion failed: ${String(error)}`;
      await this.report({ task_id, status: "Failed", output_location });
    }
  }
}
