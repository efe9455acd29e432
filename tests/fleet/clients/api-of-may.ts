import { API_WORKER, claimCounted } from "./api-claims.ts";
import type { Wire } from "./wire.ts";

/** What came of a task: a file, an address elsewhere, nothing, or an error. */
export type Outcome =
  | { readonly file: string }
  | { readonly url: string }
  | { readonly error: string }
  | null;

/** The API orchestrator of 16 May: docs/contract.md, 19. */
export class ApiOfMay {
  private readonly begun = new Set<string>();

  constructor(
    private readonly wire: Wire,
    private readonly freeSlots: number,
    private readonly work: (task_id: string) => Outcome,
  ) {}

  /** Counts, claims, works on what it got. */
  async poll(): Promise<void> {
    await claimCounted(this.wire, this.freeSlots, async (answer) => {
      const ids = answer === null
        ? await this.heldTasks()
        : [(answer.json as { readonly task_id?: string }).task_id];
      for (const id of ids) if (id !== undefined) await this.handle(id);
    });
  }

  /** After a claim that was not answered: what it holds and does not run yet. */
  private async heldTasks(): Promise<string[]> {
    const rows = await this.wire.rows("GET", "tasks", {
      select: "id,task_type,params,project_id",
      status: "eq.In Progress",
      worker_id: `eq.${API_WORKER}`,
      order: "generation_started_at.desc",
      limit: "10",
    }).catch(() => []);
    return rows.map(({ id }) => String(id)).filter((id) => !this.begun.has(id));
  }

  private async handle(task_id: string): Promise<void> {
    this.begun.add(task_id);
    const failed = (error: string) =>
      this.report("update-task-status", {
        task_id,
        status: "Failed",
        output_location: error.slice(0, 500),
      });
    try {
      const outcome = this.work(task_id);
      if (outcome === null) await this.report("complete_task", { task_id });
      else if ("file" in outcome) await this.upload(task_id, outcome.file);
      else if ("error" in outcome) await failed(outcome.error);
      else {
        const output_location = outcome.url;
        const body = { task_id, status: "Complete", output_location };
        await this.report("update-task-status", body);
      }
    } catch (error) {
      await failed(String(error)).catch(() => null);
    }
  }

  private async upload(task_id: string, bytes: string): Promise<void> {
    const given = await this.report("generate-upload-url", {
      task_id,
      filename: "out.png",
      content_type: "image/png",
      artifact_class: "final",
    });
    const { upload_url = "", storage_path } = given as Record<string, string>;
    await this.wire.put(upload_url, bytes, "image/png");
    await this.report("complete_task", { task_id, storage_path });
  }

  /** Three times with the same body; 200 alone is success. */
  private async report(name: string, body: object): Promise<unknown> {
    const answer = await this.wire.edgeWithRetry(name, body);
    if (answer?.status !== 200) {
      throw new Error(`${name}: ${answer?.status} ${answer?.text}`);
    }
    return answer.json;
  }
}
