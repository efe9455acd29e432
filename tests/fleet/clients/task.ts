import type { Wire } from "./wire.ts";

/** A task as a worker knows it after a claim. */
export interface Task {
  readonly id: string;
  readonly task_type: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly project_id: string;
  /** Failures so far, as claims since 21 January are told. */
  readonly attempts?: number;
}

/** How working on a task ended. */
export type Result =
  | { readonly kind: "file"; readonly name: string; readonly bytes: string }
  /** A file and what there is to say of it: workers since 21 January. */
  | {
    readonly kind: "json";
    readonly bytes: string;
    readonly describe: (path: string) => string;
  }
  /** An orchestrator that waits for its children. */
  | { readonly kind: "progress"; readonly text: string }
  /** An orchestrator whose children are all complete. */
  | { readonly kind: "output"; readonly url: string }
  | { readonly kind: "failed"; readonly text: string };

/** What a worker does for tasks of one type. */
export type Work = (wire: Wire, task: Task) => Promise<Result>;

/** The machine is gone; nothing is reported any more. */
export class WorkerDied extends Error {}
