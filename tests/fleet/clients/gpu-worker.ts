import { claimOfMarch, tellModelOfMarch } from "./claims.ts";
import { editVideo } from "./edit-job.ts";
import { handIn } from "./hand-in.ts";
import { joinClips } from "./join-job.ts";
import { type Result, type Task, type Work, WorkerDied } from "./task.ts";
import { runTravel, runTravelSegment, runTravelStitch } from "./travel-job.ts";
import { joinOneClip } from "./join-job.ts";
import type { Wire } from "./wire.ts";

const WORK: Readonly<Record<string, Work>> = {
  travel_orchestrator: runTravel,
  travel_segment: runTravelSegment,
  travel_stitch: runTravelStitch,
  join_clips_orchestrator: joinClips,
  join_clips_segment: joinOneClip,
  edit_video_orchestrator: editVideo,
};

/** The main loop of the deployed GPU worker: contract 9. */
export class GpuWorker {
  isAlive = true;

  constructor(
    readonly id: string,
    private readonly wire: Wire,
    /** Called when a task has begun; throws `WorkerDied` to end the worker. */
    private readonly onStart: (task: Task) => void = () => {},
  ) {}

  /** One turn of the loop, up to where the worker would sleep. */
  async turn(): Promise<void> {
    try {
      await this.pollOnce();
    } catch (error) {
      if (!(error instanceof WorkerDied)) throw error;
      this.isAlive = false;
    }
  }

  private async pollOnce(): Promise<void> {
    const assigned = await this.findAssigned();
    const deferred = isOrchestrator(assigned) ? assigned : null;
    if (assigned !== null && deferred === null) {
      return await this.process(assigned);
    }
    if (!await this.isAnythingQueued()) {
      if (deferred === null || await this.hasOpenChildren(deferred)) return;
      return await this.process(deferred);
    }
    const claimed = await this.claim() ?? deferred;
    if (claimed !== null) await this.process(claimed);
  }

  /** Query A: the task of a claim whose reply was lost. */
  private async findAssigned(): Promise<Task | null> {
    const [row] = await this.wire.rows("GET", "tasks", {
      select: "id,params,task_type,project_id",
      worker_id: `eq.${this.id}`,
      status: "eq.In Progress",
      limit: "1",
    }).catch(() => []);
    return row === undefined ? null : row as unknown as Task;
  }

  /** A failure is no answer: then the claim is attempted anyway. */
  private async isAnythingQueued(): Promise<boolean> {
    const body = { run_type: "gpu", include_active: true };
    const answer = await this.wire.edge("task-counts", body).catch(() => null);
    if (answer?.status !== 200) return true;
    const { totals } = answer.json as { totals: Record<string, number> };
    return (totals["eligible_queued"] ?? 0) > 0 ||
      (totals["queued_only"] ?? 0) > 0;
  }

  /** Query B. */
  private async hasOpenChildren({ id }: Task): Promise<boolean> {
    const ended = ["complete", "failed", "cancelled", "canceled", "error"];
    const children = await this.wire.rows("GET", "tasks", {
      select: "id,status",
      params: `cs.{"orchestrator_task_id_ref": "${id}"}`,
    }).catch(() => null);
    return children === null ||
      children.some((child) =>
        !ended.includes(String(child["status"]).toLowerCase())
      );
  }

  private async claim(): Promise<Task | null> {
    const answer = await claimOfMarch(this.wire, this.id).catch(() => null);
    if (answer?.status !== 200) return null;
    // These four are read outside of any `try`: without one the worker dies.
    const task = answer.json as Record<string, unknown>;
    for (const key of ["task_id", "task_type", "params", "project_id"]) {
      if (!(key in task)) throw new Error(`A claim without ${key}`);
    }
    return { ...task, id: task["task_id"] } as unknown as Task;
  }

  private async process(task: Task): Promise<void> {
    const result = await this.run(task).catch((error: unknown): Result => {
      if (error instanceof WorkerDied) throw error;
      return { kind: "failed", text: String(error) };
    });
    if (result.kind === "json") throw new Error("January makes no such output");
    await handIn(this.wire, task, result);
  }

  private async run(task: Task): Promise<Result> {
    await tellModelOfMarch(this.wire, this.id, "wan_2_2_vace")
      .catch(() => null);
    if (!isOrchestrator(task)) {
      await this.wire.edgeWithRetry("update-task-status", {
        task_id: task.id,
        status: "In Progress",
        reset_generation_started_at: true,
      });
    }
    this.onStart(task);
    const work = WORK[task.task_type];
    if (work === undefined) throw new Error(`Unknown type ${task.task_type}`);
    return await work(this.wire, task);
  }
}

function isOrchestrator(task: Task | null): boolean {
  return task?.task_type.endsWith("_orchestrator") ?? false;
}
