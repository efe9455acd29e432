import { Client, FILES } from "./client.ts";

/** Where its provider keeps a result. */
export const EXTERNAL_URL = "https://provider.test/out.mp4";

/** The deployed API orchestrator: one try, then the provider's own URL. */
export class ApiOrchestrator extends Client {
  completeWithFiles(task_id: string): Promise<void> {
    return this.#orExternal(
      task_id,
      () => this.call("complete-task", { task_id, ...FILES }, 1),
    );
  }

  completeByUpload(task_id: string): Promise<void> {
    return this.#orExternal(task_id, async () => {
      const paths = await this.put(await this.uploadUrls(task_id, 1));
      await this.call("complete-task", { task_id, ...paths }, 1);
    });
  }

  /** With the provider's URL, or nothing at all; else the task has failed. */
  async complete(task_id: string, result: object): Promise<void> {
    try {
      await this.call("complete-task", { task_id, ...result }, 1);
    } catch (error) {
      const output_location = String(error).slice(0, 500);
      await this.ask("update-task-status", {
        task_id,
        status: "Failed",
        output_location,
      });
    }
  }

  async #orExternal(
    task_id: string,
    upload: () => Promise<unknown>,
  ): Promise<void> {
    try {
      await upload();
    } catch {
      await this.complete(task_id, { output_location: EXTERNAL_URL });
    }
  }
}
