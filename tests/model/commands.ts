import type { Pool, Status } from "./worlds/world.ts";

/**
 * What can happen to the queue. Commands are data: a run is a list of them that
 * can be printed, kept in a file and played again.
 */
export type Command =
  | Enqueue
  | Claim
  | Report
  | { readonly do: "delete"; readonly task: TaskRef }
  | Patch
  | { readonly do: "requeue"; readonly tasks: readonly TaskRef[] }
  | Beat
  | SetWorker
  | { readonly do: "set limit"; readonly owner: number; readonly to: number }
  | { readonly do: "fail siblings"; readonly to: boolean }
  | { readonly do: "tick"; readonly seconds: number }
  | { readonly do: Job };

/** A task by its place in the order of enqueuing, counted round and round. */
export type Place = number;

/** A task by its place among all, or among those that run or lost at that time. */
export type TaskRef =
  | Place
  | { readonly running: Place }
  | { readonly lost: Place };

/** What runs by itself. The cleanup follows a sweep, as it does in life. */
export type Job = "rescue" | "sweep" | "cleanup" | "mend families";

/** A new task. */
export interface Enqueue {
  readonly do: "enqueue";
  readonly owner: number;
  readonly kind: Kind;
  readonly isLocal: boolean;
  readonly priority: number;
  /** Older than a week: nobody starts it by surprise. */
  readonly isOld: boolean;
  readonly dueIn: number | null;
  readonly dependsOn: Place | null;
  /** One of the orchestrators so far. */
  readonly parent: Place | null;
  /** Which part of its parent. */
  readonly part: number;
  /** Enqueued by `create_task` under this key, else by a plain insert. */
  readonly key: number | null;
}

/** Kinds of task, by what the queue makes of them (kinds.ts). */
export type Kind = "part" | "final" | "orchestrator" | "image" | "fragile";

/** Who speaks: the service key, or the token of the owner in this place. */
export type Speaker = "service" | number;

/** A worker asks for work. */
export interface Claim {
  readonly do: "claim";
  readonly by: Speaker;
  readonly worker: number;
  readonly pool: Pool;
  readonly claimId: number | null;
}

/** A worker, or somebody who takes itself for one, speaks of a task. */
export interface Report {
  readonly do: Saying;
  readonly task: TaskRef;
  readonly by: Speaker;
  readonly lease: "none" | "current" | "former" | "foreign";
}

/** What is said of a task. */
export type Saying =
  | "complete"
  | "fail"
  | "fail, try again"
  /** As deployed workers say it since January: at once, and counted. */
  | "fail, once more"
  | "report progress"
  | "hand back"
  | "cancel";

/**
 * A direct change of rows, as deployed orchestrators send their resets: ids read
 * earlier, no guard.
 */
export interface Patch {
  readonly do: "patch";
  readonly tasks: readonly TaskRef[];
  readonly to: Status;
}

/** A sign of life of a fleet worker, which may name what it runs. */
export interface Beat {
  readonly do: "beat";
  readonly worker: number;
  readonly naming: TaskRef | null;
  readonly says: "active" | "crashed" | "terminated";
}

/** An orchestrator or operator writes the status of a worker. */
export interface SetWorker {
  readonly do: "set worker";
  readonly worker: number;
  readonly to: "active" | "terminating" | "terminated" | "error";
}

/** The task that is meant, of so many. */
export function meant(place: Place | null, known: number): Place | null {
  return place === null || known === 0 ? null : place % known;
}

/** The parent that this command, in this place of the run, names. */
export function parentOf(
  { owner, parent, kind }: Enqueue,
  earlier: readonly Enqueue[],
): number | null {
  if (parent === null || kind === "orchestrator") return null;
  const orchestrators = [...earlier.entries()]
    .filter(([, other]) =>
      other.kind === "orchestrator" && other.owner === owner
    )
    .map(([place]) => place);
  return orchestrators[parent % orchestrators.length] ?? null;
}
