import { ClaimedTask } from "../../shared/claim.ts";
import { UploadUrlReply } from "../../shared/upload-url.ts";
import { putFile } from "../support/storage.ts";
import type { Backend, FunctionName } from "./backend.ts";

/** A result and its thumbnail, as they are sent in a body. */
export const FILES = {
  file_data: btoa("a video"),
  filename: "out.mp4",
  first_frame_data: btoa("a picture"),
  first_frame_filename: "thumb.jpg",
};

/** One of its calls failed for good. */
class QueueError extends Error {}

/** What the deployed clients have in common; they do not wait between tries. */
export abstract class Client {
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Sends a body up to `tries` times, as its client repeats it: the JSON. */
  protected async call(
    name: FunctionName,
    body: object,
    tries: number,
  ): Promise<unknown> {
    for (let left = tries; left > 0; left--) {
      try {
        const reply = await this.#backend.send(name, body);
        const text = await reply.text();
        if (reply.status === 200) return JSON.parse(text);
        if (reply.status === 204) return null;
        if (![502, 503, 504].includes(reply.status)) {
          throw new QueueError(`${name}: ${reply.status} ${text}`);
        }
      } catch (error) {
        // Without a reply, or with half of one, it tries again.
        if (error instanceof QueueError) throw error;
      }
    }
    throw new QueueError(`${name}: no answer`);
  }

  /** Calls once, and goes on without an answer. */
  protected async ask(name: FunctionName, body: object): Promise<unknown> {
    try {
      return await this.call(name, body, 1);
    } catch {
      return undefined;
    }
  }

  /** Asks for work until it gets some. */
  async poll(worker_id: string, run_type: string): Promise<ClaimedTask> {
    for (let polls = 0; polls < 3; polls++) {
      await this.ask("task-counts", { run_type, include_active: true });
      const task = await this.ask("claim-next-task", { worker_id, run_type });
      if (task) return ClaimedTask.parse(task);
    }
    throw new Error("There is no work");
  }

  protected uploadUrls(task_id: string, tries: number): Promise<unknown> {
    return this.call("generate-upload-url", {
      task_id,
      filename: "out.mp4",
      content_type: "video/mp4",
      generate_thumbnail_url: true,
    }, tries);
  }

  /** PUTs both files; where they are, as complete-task is told. */
  protected async put(urls: unknown): Promise<object> {
    const reply = UploadUrlReply.parse(urls);
    const image = { "content-type": "image/jpeg" };
    await putFile(reply.upload_url, "a video");
    await putFile(reply.thumbnail_upload_url ?? "", "a picture", image);
    return {
      storage_path: reply.storage_path,
      thumbnail_storage_path: reply.thumbnail_storage_path,
    };
  }
}
