import type { Status } from "./worlds/world.ts";
import type { Kind } from "./commands.ts";
import { KNOWN_WORKERS, OWNERS, TASK_LIMIT } from "./numbers.ts";

/** The queue as the model knows it. Seconds count from the start of the run. */
export interface State {
  now: number;
  /** By their place in the order of enqueuing; deleted ones are gone. */
  readonly tasks: Map<number, Task>;
  /** How many tasks each user may run. */
  readonly limits: number[];
  readonly workers: Map<string, Worker>;
  /** Whether queued children fail with their family, as the fleet's do. */
  failsSiblings: boolean;
  /** What orchestrators with children have said, and when a child last moved. */
  readonly families: Map<number, Family>;
  /** Starts that others than their holders ended. */
  held: Held[];
  /** An operator works on the tables themselves, no function speaks. */
  isByHand: boolean;
  /** The tasks that their holders end themselves in this step. */
  letGo: readonly number[];
  /** Whose task is taken now is not at work on it, or has told how it went. */
  areOver: "all" | "but cancelled" | "none";
  /** How many starts there were. */
  starts: number;
}

/** A start that another than its holder ended. */
export interface Held {
  readonly task: number;
  readonly owner: number;
  readonly takesSlot: boolean;
  readonly pool: string;
  readonly worker: string;
  readonly token: number | null;
  readonly since: number;
  /** After this it counts for nothing. */
  until: number;
  /** It counts for the turn, but holds no slot any more. */
  isLetGo: boolean;
}

/** One task. */
export interface Task {
  readonly id: number;
  readonly owner: number;
  readonly kind: Kind;
  readonly isLocal: boolean;
  readonly priority: number;
  readonly createdAt: number;
  readonly parent: number | null;
  readonly part: number | null;
  /** How many parts it says it will enqueue. */
  readonly announces: number | null;
  readonly key: number | null;
  dueAt: number | null;
  completeAt: number | null;
  /** When an operator put it back after its end. */
  putBackAt: number | null;
  dependsOn: number[];
  status: Status;
  attempts: number;
  /** How often it was handed back, or never arrived, since it was put in line. */
  freeReturns: number;
  /** How often a claim was answered with it again, since it was put in line. */
  claimRepeats: number;
  /** An orchestrator that has enqueued everything in this start. */
  isHandedOver: boolean;
  maxAttempts: number | null;
  worker: string | null;
  /** Whose token holds it; null = the service key. */
  token: number | null;
  /** Who was handed it last, and which start that was. */
  lastStart: LastStart | null;
  claimId: number | null;
  hasLease: boolean;
  /** When it was last handed out; null = never. */
  claimedAt: number | null;
  isDelivered: boolean;
  reportedAt: number | null;
  updatedAt: number;
  /** Everyone who was ever handed it. */
  readonly holders: Set<string>;
  /** The last start of each, and whether it is over for its worker, too. */
  readonly startsOf: Map<string, StartOf>;
  /** The last start of each that came to nothing. */
  readonly lostStarts: Map<string, number>;
  output: string | null;
  /** Where its result record says the result is; undefined = no record. */
  generation: string | null | undefined;
  /** The task that counts instead of it. */
  replacedBy: number | null;
}

/** The last start of one that had the task. */
export interface StartOf {
  readonly start: number;
  /** Whose token it was; null = the service key. */
  readonly token: number | null;
  isOver: boolean;
}

/** A start, by which a late result is told whose it is. */
export interface LastStart {
  readonly worker: string | null;
  readonly token: number | null;
  readonly attempt: number;
}

/** A worker of the fleet. */
export interface Worker {
  status: string;
  lastBeat: number | null;
  /** Its error was only silence. */
  isReaped: boolean;
  /** It was the worker itself that said terminated. */
  hasLeft: boolean;
}

/** An orchestrator that has children, or has said that it has them all. */
export interface Family {
  enqueuedAttempt: number | null;
  changedAt: number;
}

/** An empty queue with its users and the workers that have a row. */
export function emptyState(): State {
  return {
    now: 0,
    tasks: new Map(),
    limits: Array.from({ length: OWNERS }, () => TASK_LIMIT),
    workers: new Map(
      Array.from({ length: KNOWN_WORKERS }, (_, index) => [
        workerName("service", index),
        { status: "active", lastBeat: 0, isReaped: false, hasLeft: false },
      ]),
    ),
    failsSiblings: true,
    families: new Map(),
    held: [],
    isByHand: false,
    letGo: [],
    areOver: "none",
    starts: 0,
  };
}

/** What a worker calls itself; users' machines are not the fleet's. */
export function workerName(by: "service" | number, index: number): string {
  return by === "service" ? `gpu-${index}` : `home-${by}-${index}`;
}

/** Whether it has not ended. */
export function isLive({ status }: Task): boolean {
  return status === "Queued" || status === "In Progress";
}
