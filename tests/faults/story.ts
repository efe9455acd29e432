import type { Owner } from "../support/world.ts";
import type { Backend, FunctionName } from "./backend.ts";

/** A piece of a client's life, and which of its functions meets with faults. */
export interface Story {
  readonly name: string;
  readonly struck: FunctionName;
  /** How many calls that function makes. */
  readonly calls: number;
  /** Whether a file is handed in. */
  readonly hasFile?: boolean;
  /** Plays it; the task that it was about. */
  play(backend: Backend, owner: Owner): Promise<string>;
}
