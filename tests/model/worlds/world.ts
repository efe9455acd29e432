/** A state of the queue, small enough to read when a test fails with it. */
export interface World {
  readonly users: readonly User[];
  /** Beside those that the migrations ship, which no task here uses. */
  readonly types: readonly TaskType[];
  readonly tasks: readonly Task[];
  readonly settings: Settings;
  /** Time between the writing of the world and the questions about it. */
  readonly elapsedMinutes: number;
}

export interface Settings extends Late {
  readonly defaultLimit: number;
  readonly staleAfterMinutes: number;
  /** Whether cloud work waits while its owner has none; guests' does not. */
  readonly requiresCredits: boolean;
  /** Guests' owners are whoever is seen; all of these are known. */
  readonly registersOwners: boolean;
}

/** What is written only once the tasks are there, over something else. */
export interface Late {
  readonly isLate: boolean;
}

export interface User extends Late {
  readonly credits: number;
  /** Null = the default. */
  readonly limit: number | null;
  /** `users.settings`, well formed or not. */
  readonly settings: unknown;
  /** What counts although no task of theirs runs: starts that others ended. */
  readonly apart?: Readonly<
    Record<"slots" | "places" | "remembered", number>
  >;
}

/** The pools of workers. */
export type Pool = "gpu" | "api";

export interface TaskType {
  readonly name: string;
  /** What the queue knew of it while the tasks were written. */
  readonly before: "same" | "absent" | "different";
  readonly pool: Pool;
  readonly isOrchestration: boolean;
  /** Of another pool, but GPU machines of the owner run it, too. */
  readonly runsOnOwnGpu: boolean;
  readonly isActive: boolean;
}

/** Which machines a type was for when a task of it was handed out. */
export type Started = Pick<TaskType, "pool" | "runsOnOwnGpu">;

/** A task; others are named by their place in the world. */
export interface Task {
  readonly owner: number;
  /** Rows from before the columns existed have no owner or no run type. */
  readonly hasOwner: boolean;
  readonly runType: "cloud" | "local" | null;
  /** The name of a type, known or not. */
  readonly type: string;
  readonly status: Status;
  /** Who holds it, while it is In Progress. */
  readonly holder: "fleet" | "owner";
  /** What its type was when it was handed out, while it is In Progress. */
  readonly startedAs?: Started;
  /** An orchestration task that has enqueued everything. */
  readonly isHandedOver?: boolean;
  /** A queued task that was started once and requeued. */
  readonly wasStarted: boolean;
  readonly priority: number;
  readonly ageMinutes: number;
  /** Negative = due already; null = due at once. */
  readonly dueInMinutes: number | null;
  /** When it was completed, if not when the world was written. */
  readonly completeMinutesAgo?: number | null;
  /** When an operator put it back after its end. */
  readonly putBackMinutesAgo?: number | null;
  readonly dependsOn: readonly (number | "missing")[];
  readonly parent: number | Orphan | null;
  readonly model: string | null;
  /** Inserted by the same statement as the one before it. */
  readonly isInSameStatement: boolean;
}

/** What clients write where a parent's id should be. */
export type Orphan = "missing" | "malformed" | "a number";

export type Status =
  | "Queued"
  | "In Progress"
  | "Complete"
  | "Failed"
  | "Cancelled";

/** Whether the row is from before the columns that every task has now. */
export function isOldRow(task: Task): boolean {
  return !task.hasOwner || task.runType === null;
}

/** The type as it was before the tasks came. */
export function typeBefore(type: TaskType): TaskType {
  if (type.before === "same") return type;
  return {
    ...type,
    isActive: !type.isActive,
    runsOnOwnGpu: !type.isOrchestration && !type.runsOnOwnGpu,
    pool: type.pool === "gpu" ? "api" : "gpu",
  };
}
