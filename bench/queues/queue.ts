import type { Shape } from "../world/shape.ts";

/** A task that a client has claimed. */
export interface Held {
  /** Id of the user who owns it. */
  owner: string;
  complete(): Promise<unknown>;
}

/** One worker's way to a queue. */
export interface QueueClient {
  /** The next task; undefined when there is none. */
  claim(): Promise<Held | undefined>;
  close(): Promise<void>;
}

/** A queue that can be brought into any shape and worked on. */
export interface Queue {
  readonly name: string;
  /** How many tasks of one user it lets run at once; 0 = as many as there are. */
  readonly limit: number;
  /** Empties it and fills it anew, vacuumed and analysed. */
  fill(shape: Shape): Promise<void>;
  connect(): Promise<QueueClient>;
  /** Enqueues one task for each of these users, at the end of the line. */
  enqueue(owners: readonly string[]): Promise<void>;
  /** Dead rows in all of its tables now, as the server counts them. */
  deadRows(): Promise<number>;
}
