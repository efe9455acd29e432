import { claimOfMarch, tellModelOfMarch } from "./claims.ts";
import { editVideo } from "./edit-job.ts";
import { handIn } from "./hand-in.ts";
import { joinClips } from "./join-job.ts";
import { nextTask, tellBeginning } from "./loop.ts";
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
    const task = await nextTask(this.wire, this.id, () => this.claim());
    if (task !== null) await this.process(task);
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
    await tellBeginning(this.wire, task);
    this.onStart(task);
    const work = WORK[task.task_type];
    if (work === undefined) throw new Error(`Unknown type ${task.task_type}`);
    return await work(this.wire, task);
  }
}
