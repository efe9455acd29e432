import type { Claim } from "../../shared/client/calls.ts";
import {
  type ClientOptions,
  createQueueClient,
} from "../../shared/client/queue-client.ts";
import { runWorker } from "../../shared/client/worker.ts";
import type { WorkerEvent } from "../../shared/client/worker-options.ts";
import { attemptOf, type Ledger, witnessed } from "../ledger.ts";
import { EVERY, type Pace } from "../pace.ts";
import type { Story } from "../story.ts";
import { Plug } from "./plug.ts";
import { simulatedWork } from "./work.ts";

/** What all workers of the demo share. */
export interface Site {
  readonly url: string;
  readonly pace: Pace;
  readonly ledger: Ledger;
  readonly story: Story;
  /** Asked in the middle of each task of a cloud worker. */
  strikes(task: Claim): boolean;
  /** An orchestrator may have ended with this one. */
  onCompleted(task: Claim): void;
}

/** How a worker reaches the queue. */
export interface Access {
  readonly key: string;
  /** A token may not beat: it reports. */
  readonly signsOfLife: "beats" | "reports";
}

/** A machine that runs the kit's worker on simulated work. */
export class SimulatedWorker {
  readonly #plug = new Plug();
  readonly #stop = new AbortController();
  #inHand: Claim | undefined;

  constructor(
    readonly name: string,
    private readonly access: Access,
    private readonly site: Site,
  ) {}

  get isBusy(): boolean {
    return this.#inHand !== undefined;
  }

  get isDead(): boolean {
    return this.#plug.isPulled;
  }

  get isStopping(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Claims no more, and hands back what it has. */
  stop(): void {
    this.#stop.abort();
  }

  /** Works until it is stopped; of one that died this never ends. */
  async run(startSeconds = 0): Promise<void> {
    const { name, access: { key, signsOfLife }, site } = this;
    const { url, pace, story } = site;
    const { runtime } = this.#plug;
    const options: ClientOptions = { url, key, runtime };
    const client = witnessed(createQueueClient(options), name, site.ledger);
    story.worker(name, false);
    await runtime.wait(pace.ms(startSeconds), this.#stop.signal);
    await runWorker({
      client,
      workerId: name,
      signsOfLife,
      runtime,
      stop: this.#stop.signal,
      pollMs: pace.ms(EVERY.poll),
      signMs: pace.ms(EVERY.beat),
      // What is told to stop lets go at once: nothing here takes long.
      graceMs: 50,
      handle: simulatedWork({
        client,
        runtime,
        pace,
        onBegin: (task) => this.#begin(task),
        onHalfWay: (task) => {
          if (signsOfLife === "beats" && site.strikes(task)) this.#die(task);
        },
      }),
      onEvent: (event) => this.#end(event),
    }).finally(() => story.workerLeft(name));
  }

  #begin(task: Claim): void {
    const { story, ledger } = this.site;
    this.#inHand = task;
    const attempt = attemptOf(task);
    const again = attempt > 1 ? `, start ${attempt}` : "";
    story.worker(this.name, true);
    if (ledger.lostStart?.taskId === task.task_id) {
      story.tell(`${this.name} takes ${story.describe(task)}${again}`);
    }
  }

  #end({ event, detail = "" }: WorkerEvent): void {
    const task = this.#inHand;
    // A sign of life that was not heard ends nothing.
    const isEnd = !["claimed", "waiting", "unheard"].includes(event);
    if (!isEnd || task === undefined) return;
    this.#inHand = undefined;
    const { story, ledger, onCompleted } = this.site;
    story.worker(this.name, false);
    if (event === "completed") {
      story.completed();
      onCompleted(task);
      if (ledger.lostStart?.taskId === task.task_id) {
        const start = `start ${attemptOf(task)}`;
        story.tell(`${this.name} finishes ${story.describe(task)}, ${start}`);
      }
    } else if (event === "failed") {
      const next = ledger.ended.has(task.task_id)
        ? "for good"
        : "to be retried";
      story.tell(`${story.describe(task)} failed, ${next}: ${detail}`);
    } else if (event !== "enqueued") {
      story.tell(`${this.name}, ${story.describe(task)}: ${event} ${detail}`);
    }
  }

  #die(task: Claim): void {
    const { story, ledger } = this.site;
    this.#plug.pull();
    ledger.lostStart = {
      taskId: task.task_id,
      workerId: this.name,
      attempt: attemptOf(task),
    };
    story.worker(this.name, false);
    story.tell(
      `${this.name} dies with ${story.describe(task)} in hand, without a word`,
    );
  }
}
