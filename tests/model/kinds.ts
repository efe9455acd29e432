import type { Pool } from "./worlds/world.ts";
import type { Kind } from "./commands.ts";
import { FINAL, PART } from "../support/fleet-words.ts";

/** What the queue knows of a kind of task. */
export interface KindOfTask {
  readonly type: string;
  readonly pool: Pool;
  /** Of another pool, but GPU machines of the owner run it, too. */
  readonly runsOnOwnGpu: boolean;
  readonly takesSlot: boolean;
  readonly createsGeneration: boolean;
  readonly isRetryable: boolean;
  /** Starts; null = what the settings say. */
  readonly maxAttempts: number | null;
  /** Seconds that one start may take. */
  readonly timeout: number | null;
  /** Whose output is its family's: that of the highest rank. */
  readonly rank: number;
}

const usual: KindOfTask = {
  type: "",
  pool: "gpu",
  runsOnOwnGpu: false,
  takesSlot: true,
  createsGeneration: true,
  isRetryable: true,
  maxAttempts: null,
  timeout: null,
  rank: 0,
};

/** All kinds; `fragile` is a type that the tests add (world.ts). */
export const KINDS: Readonly<Record<Kind, KindOfTask>> = {
  part: { ...usual, type: PART, rank: 1 },
  final: { ...usual, type: FINAL, rank: 3 },
  image: {
    ...usual,
    type: "edit_image",
    pool: "api",
    runsOnOwnGpu: true,
  },
  orchestrator: {
    ...usual,
    type: "film_orchestrator",
    takesSlot: false,
    createsGeneration: false,
  },
  fragile: {
    ...usual,
    type: "model_fragile",
    createsGeneration: false,
    isRetryable: false,
    maxAttempts: 3,
    timeout: 645,
  },
};

/** Whether claims for a pool, with a token or not, come to tasks of a kind. */
export function isServed(
  kind: Kind,
  { pool, token }: { readonly pool: Pool; readonly token: number | null },
): boolean {
  return KINDS[kind].pool === pool ||
    (KINDS[kind].runsOnOwnGpu && pool === "gpu" && token !== null);
}
