import type { Command, Enqueue } from "./commands.ts";

/** A new task like any other; a printed run says all of it. */
const enqueue: Enqueue = {
  do: "enqueue",
  owner: 0,
  kind: "part",
  isLocal: false,
  priority: 0,
  isOld: false,
  dueIn: null,
  dependsOn: null,
  parent: null,
  part: 1,
  key: null,
};

/** An orchestrator whose part is replaced, the copy deleted again. */
const restoredPart: readonly Command[] = [
  { ...enqueue, kind: "orchestrator" },
  { ...enqueue, parent: 0 },
  { ...enqueue, parent: 0 },
  { ...enqueue, kind: "final", parent: 0, dependsOn: 2 },
  { do: "delete", task: 2 },
];

/** A worker whose claim_id is always the same. */
const repeated: Command = {
  do: "claim",
  by: "service",
  worker: 0,
  pool: "gpu",
  claimId: 0,
};

/** A user's machine claims. */
const atHome = (
  pool: "gpu" | "api",
  claimId: number | null = null,
): Command => ({ do: "claim", by: 0, worker: 0, pool, claimId });

/** A worker claims the first task and hands it back. */
const handBack: readonly Command[] = [
  { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
  { do: "hand back", task: 0, by: "service", lease: "current" },
];

/** All places of orchestration are taken, and one orchestrator has grown stale. */
const noPlace: readonly Command[] = [
  { ...enqueue, kind: "orchestrator" },
  { ...enqueue, kind: "orchestrator" },
  { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
  { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
  { ...enqueue, kind: "orchestrator", isOld: true },
];

/** An orchestrator without children, whose worker has gone on and beats. */
const childless = (
  leaves: readonly Command[],
): readonly Command[] => [
  { ...enqueue, kind: "orchestrator" },
  { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
  ...leaves,
  { do: "tick", seconds: 930 },
  { do: "beat", worker: 0, naming: null, says: "active" },
  { do: "rescue" },
];

/** Runs that once went wrong, or that chance seldom finds, by what they show. They are played first. */
export const counterExamples: Readonly<Record<string, readonly Command[]>> = {
  "a dependent of a requeued part has not lost it": restoredPart,
  "a requeued part waits for what has replaced its dependency": [
    { ...enqueue, kind: "orchestrator" },
    { ...enqueue, parent: 0, part: 0 },
    { ...enqueue, parent: 0, dependsOn: 1 },
    { ...enqueue, parent: 0 },
    { ...enqueue, parent: 0, part: 0 },
    { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
    { do: "claim", by: "service", worker: 1, pool: "gpu", claimId: null },
    { do: "delete", task: 3 },
  ],
  "the cleanup leaves the dependents of a requeued part": [
    ...restoredPart,
    { do: "tick", seconds: 4_500 },
    { do: "cleanup" },
  ],
  "a replaced part that is requeued is no part of a cancelled family": [
    { ...enqueue, kind: "orchestrator" },
    { ...enqueue, parent: 0 },
    { ...enqueue, parent: 0 },
    { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
    { do: "cancel", task: 0, by: "service", lease: "none" },
    { do: "requeue", tasks: [1] },
    { do: "mend families" },
  ],
  "a task that is released twice waits": [
    enqueue,
    ...handBack,
    ...handBack,
    ...handBack,
  ],
  "a task that is released forever ends": [
    enqueue,
    ...Array.from({ length: 6 }, (): readonly Command[] => [
      ...handBack,
      { do: "tick", seconds: 30 },
    ]).flat(),
  ],
  "a claim that is repeated for ever ends": [
    enqueue,
    enqueue,
    ...Array.from({ length: 7 }, () => repeated),
  ],
  "a claim that is repeated after the worker has named the task is a start": [
    enqueue,
    repeated,
    { do: "report progress", task: 0, by: "service", lease: "none" },
    { do: "tick", seconds: 30 },
    repeated,
    { do: "tick", seconds: 30 },
    repeated,
    repeated,
  ],
  "a claim_id of an orchestrator that has enqueued everything is used up": [
    { ...enqueue, kind: "orchestrator" },
    repeated,
    { do: "report progress", task: 0, by: "service", lease: "none" },
    repeated,
  ],
  "a stale child is ready again when its parent is requeued": [
    { do: "fail siblings", to: false },
    { ...enqueue, kind: "orchestrator" },
    { ...enqueue, parent: 0, isOld: true },
    { do: "fail", task: 0, by: "service", lease: "none" },
    { do: "tick", seconds: 90 },
    { do: "sweep" },
    { do: "requeue", tasks: [0] },
    { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
  ],
  "a stale orchestrator without a place waits for the place": [
    ...noPlace,
    { do: "tick", seconds: 90 },
  ],
  "of the stale tasks of one owner only orchestration waits for a place": [
    ...noPlace,
    { ...enqueue, isOld: true },
    enqueue,
    { do: "tick", seconds: 90 },
    { do: "sweep" },
  ],
  // It ends because its last part was cancelled; earlier ones were requeued by hand, and are at work.
  "the parts that a report ends keep their slots until their workers let go": [
    { ...enqueue, kind: "orchestrator" },
    { ...enqueue, parent: 0 },
    { ...enqueue, parent: 0 },
    { ...enqueue, parent: 0 },
    { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
    { do: "cancel", task: 3, by: "service", lease: "none" },
    { do: "requeue", tasks: [1] },
    { do: "requeue", tasks: [2] },
    { do: "claim", by: "service", worker: 1, pool: "gpu", claimId: null },
    { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
    enqueue,
    enqueue,
    { do: "report progress", task: 0, by: "service", lease: "none" },
  ],
  "an orchestrator that says something and enqueues nothing ends": childless([
    { do: "report progress", task: 0, by: "service", lease: "none" },
  ]),
  "an orchestrator that its worker leaves without a report is requeued":
    childless([
      { do: "beat", worker: 0, naming: 0, says: "active" },
      { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
    ]),
  // With what waits for them; one that runs finishes, and fails when it is requeued.
  "the children in line fail with their family": [
    { ...enqueue, kind: "orchestrator" },
    { ...enqueue, parent: 0 },
    { ...enqueue, parent: 0, part: 2 },
    { ...enqueue, parent: 0, part: 3 },
    { ...enqueue, dependsOn: 3 },
    { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
    { do: "claim", by: "service", worker: 1, pool: "gpu", claimId: null },
    { do: "claim", by: "service", worker: 2, pool: "gpu", claimId: null },
    { do: "report progress", task: 0, by: "service", lease: "none" },
    { do: "fail", task: 1, by: "service", lease: "none" },
    { do: "patch", tasks: [2], to: "Queued" },
    { do: "requeue", tasks: [3] },
    { do: "mend families" },
    { ...enqueue, parent: 0 },
  ],
  // Else its second crash would be no news.
  "a worker that crashed and claims is there again": [
    enqueue,
    { do: "beat", worker: 0, naming: null, says: "crashed" },
    { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
    { do: "set worker", worker: 0, to: "active" },
    { do: "beat", worker: 0, naming: null, says: "crashed" },
  ],
  "a goodbye frees a task whose earlier start another worker has failed": [
    enqueue,
    { do: "claim", by: "service", worker: 1, pool: "gpu", claimId: null },
    { do: "fail, once more", task: 0, by: "service", lease: "none" },
    { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: 0 },
    { do: "beat", worker: 0, naming: null, says: "terminated" },
  ],
  "a failure told by a token that has lost the task ends no other start": [
    enqueue,
    atHome("gpu"),
    { do: "patch", tasks: [0], to: "Queued" },
    { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
    { do: "fail", task: 0, by: 0, lease: "none" },
    { do: "fail", task: 0, by: 0, lease: "current" },
  ],
  "a machine that runs two tasks gets back what it was handed longest ago": [
    enqueue,
    { ...enqueue, kind: "image" },
    atHome("gpu", 0),
    atHome("api"),
    atHome("gpu"),
    atHome("gpu"),
    { do: "tick", seconds: 30 },
    atHome("gpu"),
    atHome("gpu"),
  ],
  "what waits for a forgotten task and is as old goes along": [
    { ...enqueue, isOld: true },
    { ...enqueue, isOld: true, dependsOn: 0 },
    { do: "tick", seconds: 90 },
    { do: "cleanup" },
  ],
  // As architecture.md, "Endings", has it: a worker that held the task for
  // delivery_timeout while nothing named it never had it, whatever ended that start.
  "a failure counts when the former holder never named the task in all its time":
    [
      enqueue,
      { do: "claim", by: "service", worker: 1, pool: "gpu", claimId: null },
      { do: "tick", seconds: 4_500 },
      { do: "rescue" },
      { do: "claim", by: "service", worker: 0, pool: "gpu", claimId: null },
      { do: "beat", worker: 1, naming: null, says: "active" },
      { do: "fail", task: 0, by: "service", lease: "none" },
    ],
};
