import { GOODBYE } from "../../support/beats.ts";
import {
  claimOfApril,
  claimOfMarch,
  tellModel,
  tellModelOfMarch,
} from "./claims.ts";
import { editVideo } from "./edit-job.ts";
import { handIn } from "./hand-in.ts";
import { joinClips, joinOneClip } from "./join-job.ts";
import { nextTask, tellBeginning } from "./loop.ts";
import {
  joinInParallel,
  makeTransition,
  stitchJoins,
} from "./parallel-join.ts";
import {
  askForRetry,
  patchForRetry,
  retryBody,
} from "./retry-since-january.ts";
import { segmentAgain } from "./segment-again.ts";
import { type Result, type Task, WorkerDied } from "./task.ts";
import {
  completeFile,
  completeSinceMarch,
  describeFile,
  upload,
} from "./transition.ts";
import { runTravel, runTravelSegment, runTravelStitch } from "./travel-job.ts";
import {
  askingFirst,
  type Ways,
  WAYS_OF_APRIL,
  WAYS_OF_MARCH,
} from "./ways.ts";
import type { Answer, Wire } from "./wire.ts";

/** What the workers of one date do in a way of their own. */
export interface Generation {
  readonly ways: Ways;
  readonly claim: (wire: Wire, worker: string) => Promise<Answer>;
  readonly tellModel: typeof tellModel;
  /** Says with the read of what a chained segment goes on from which it is. */
  readonly namesPlace: boolean;
  /** Looks in the table for what it holds; claims only what is said to be there. */
  readonly findsAssigned: boolean;
  readonly handsInJson: "in two calls" | "in one call";
  readonly saysGoodbye: boolean;
}

/** A GPU worker of 1 March. */
export const MARCH: Generation = {
  ways: askingFirst(WAYS_OF_MARCH),
  claim: claimOfMarch,
  tellModel: tellModelOfMarch,
  namesPlace: false,
  findsAssigned: true,
  handsInJson: "in two calls",
  saysGoodbye: false,
};

/** A GPU worker of 11 April. */
export const APRIL: Generation = {
  ways: askingFirst(WAYS_OF_APRIL),
  claim: claimOfApril,
  tellModel,
  namesPlace: true,
  findsAssigned: false,
  handsInJson: "in one call",
  saysGoodbye: true,
};

/** Failures below so many are tried again. */
const TRIES = 3;
const NETWORK =
  /socket hang up|ECONNRESET|reset by peer|No file at|predecessor/;

/** A GPU worker of March or April: docs/contract.md, 13 to 16. */
export class YoungWorker {
  isAlive = true;

  constructor(
    readonly id: string,
    private readonly wire: Wire,
    private readonly generation: Generation,
    /** Called when a task has begun; throws `WorkerDied` to end the worker. */
    private readonly onStart: (task: Task) => void = () => {},
  ) {}

  /** One turn of the loop, up to where the worker would sleep. */
  async turn(): Promise<void> {
    try {
      const task = await this.next();
      if (task !== null) await this.process(task);
    } catch (error) {
      if (!(error instanceof WorkerDied)) throw error;
      this.isAlive = false;
    }
  }

  /** The last beat, if this generation has one; the task in hand is not named. */
  async end(): Promise<void> {
    this.isAlive = false;
    if (!this.generation.saysGoodbye) return;
    await this.wire.rpc("func_worker_heartbeat_with_logs", {
      worker_id_param: this.id,
      logs_param: [],
      ...GOODBYE,
    }).catch(() => null);
  }

  private async next(): Promise<Task | null> {
    const claim = () => this.claim();
    if (this.generation.findsAssigned) {
      return await nextTask(this.wire, this.id, claim);
    }
    // It claims whatever the counts say.
    const counts = { run_type: "gpu", include_active: true };
    await this.wire.edge("task-counts", counts).catch(() => null);
    return await claim();
  }

  private async claim(): Promise<Task | null> {
    const answer = await this.generation.claim(this.wire, this.id)
      .catch(() => null);
    if (answer?.status !== 200) return null;
    const task = answer.json as Task & { readonly task_id: string };
    return { ...task, id: task.task_id };
  }

  private async process(task: Task): Promise<void> {
    await this.generation.tellModel(this.wire, this.id, "wan_2_2_vace")
      .catch(() => null);
    await tellBeginning(this.wire, task);
    this.onStart(task);
    const result = await this.run(task).catch((error: unknown): Result => {
      if (error instanceof WorkerDied) throw error;
      return { kind: "failed", text: String(error) };
    });
    if (result.kind === "json") return await this.handInJson(task, result);
    const { attempts = 0 } = task;
    const isWorthATry = result.kind === "failed" && attempts < TRIES &&
      NETWORK.test(result.text);
    if (!isWorthATry) return await handIn(this.wire, task, result);
    const claimed = { task_id: task.id, attempts };
    const body = retryBody(claimed, "network_transient", result.text);
    const answer = await askForRetry(this.wire, body);
    if (answer?.status === 200 || !this.generation.findsAssigned) return;
    await patchForRetry(this.wire, body).catch(() => []);
  }

  private async run(task: Task): Promise<Result> {
    const { wire, generation: { ways, namesPlace } } = this;
    switch (task.task_type) {
      case "travel_orchestrator":
        return await runTravel(wire, task, ways);
      case "travel_segment":
        return await runTravelSegment(wire, task, namesPlace);
      case "travel_stitch":
        return await runTravelStitch(wire, task);
      case "join_clips_orchestrator":
        return task.params["is_parallel"] === true
          ? await joinInParallel(wire, task, ways)
          : await joinClips(wire, task, ways);
      case "join_clips_segment":
        return task.params["transition_only"] === true
          ? makeTransition(task)
          : await joinOneClip(wire, task);
      case "join_final_stitch":
        return await stitchJoins(wire, task);
      case "edit_video_orchestrator":
        return await editVideo(wire, task, ways);
      case "individual_travel_segment":
        return await segmentAgain(wire, task);
      default:
        throw new Error(`Unknown type ${task.task_type}`);
    }
  }

  /** The file first; then, or with it, what there is to say of it. */
  private async handInJson(
    { id }: Task,
    { bytes, describe }: Result & { readonly kind: "json" },
  ): Promise<void> {
    const path = await upload(this.wire, id, bytes);
    const json = describe(path);
    if (this.generation.handsInJson === "in one call") {
      await completeSinceMarch(this.wire, id, path, json);
    } else {
      await completeFile(this.wire, id, path);
      await describeFile(this.wire, id, json);
    }
  }
}
