/** Everything that the screen shows at one moment. */
export interface Board {
  readonly elapsedMs: number;
  readonly speed: number;
  readonly seed: number;
  readonly queue: QueueFigures;
  /** Tasks ended per second, lately. */
  readonly perSecond: number;
  readonly rescues: number;
  /** Names of the users served, the latest last. */
  readonly turns: readonly string[];
  readonly users: readonly UserRow[];
  readonly workers: readonly WorkerRow[];
  /** The latest last. */
  readonly events: readonly Happening[];
}

/** The queue in numbers. */
export interface QueueFigures {
  readonly enqueued: number;
  readonly claimable: number;
  /** In Progress, but for the orchestrators. */
  readonly active: number;
  readonly orchestrators: number;
  /** Tasks that wait, by reason. */
  readonly blocked: Readonly<Record<string, number>>;
  readonly complete: number;
  readonly failed: number;
}

/** One user's share. */
export interface UserRow {
  readonly name: string;
  readonly running: number;
  readonly limit: number;
  /** Tasks that only the limit and the turns keep from running. */
  readonly ready: number;
  readonly complete: number;
}

/** `dead` is what the demo knows; `failed` is what the queue has found out. */
export type WorkerState =
  | "starting"
  | "idle"
  | "working"
  | "stopping"
  | "dead"
  | "failed";

/** One worker and what it does. */
export interface WorkerRow {
  readonly name: string;
  readonly state: WorkerState;
  readonly doing: string;
}

/** How an event is to be taken. */
export type Tone = "plain" | "good" | "bad" | "warning";

/** Something worth a line. */
export interface Happening {
  readonly atMs: number;
  readonly tone: Tone;
  readonly text: string;
}
