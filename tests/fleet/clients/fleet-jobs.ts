import { createTask } from "../../support/fleet-tasks.ts";
import { type Owner } from "../../support/world.ts";

/** A job of the fleet, and what it must end with. */
export interface Job {
  readonly task_type: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** What its result holds. */
  readonly bytes: string;
  /** How many of its parts leave a record. */
  readonly results: number;
  /** These, where each stands for itself: type and what it holds. */
  readonly records?: readonly string[];
}

export const JOBS = {
  travel: {
    task_type: "travel_orchestrator",
    params: travel("20260411120000", {}),
    bytes: "s0 + s1<s0> + s2<s1<s0>>",
    results: 4,
  },
  unchained: {
    task_type: "travel_orchestrator",
    params: travel("20260411120001", { is_unchained: true }),
    bytes: "s0 + s1 + s2",
    results: 4,
    records: [
      "travel_segment s0",
      "travel_segment s1",
      "travel_segment s2",
      "travel_stitch s0 + s1 + s2",
    ],
  },
  join: {
    task_type: "join_clips_orchestrator",
    params: { orchestrator_details: { clip_list: ["a", "b", "c", "d"] } },
    bytes: "(((ab)c)d)",
    results: 3,
    records: [
      "join_clips_segment (((ab)c)d)",
      "join_clips_segment ((ab)c)",
      "join_clips_segment (ab)",
    ],
  },
  edit: {
    task_type: "edit_video_orchestrator",
    params: { orchestrator_details: { kept_clips: ["e", "f", "g"] } },
    bytes: "((ef)g)",
    results: 2,
    records: ["join_clips_segment ((ef)g)", "join_clips_segment (ef)"],
  },
  parallel: {
    task_type: "join_clips_orchestrator",
    params: {
      is_parallel: true,
      orchestrator_details: { clip_list: ["k", "l", "m"] },
    },
    // Each cut is the one that its own transition names.
    bytes: "-6[transition kl]-7-7[transition lm]-8",
    results: 3,
    records: [
      "join_clips_segment transition kl",
      "join_clips_segment transition lm",
      "join_final_stitch -6[transition kl]-7-7[transition lm]-8",
    ],
  },
} as const satisfies Record<string, Job>;

/** The job's orchestrator; its id. */
export function enqueue(
  owner: Owner,
  { task_type, params }: Job,
  more: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  return createTask(owner, { task_type, params: { ...params, ...more } });
}

function travel(run_id: string, more: object) {
  const details = { run_id, num_new_segments_to_generate: 3, ...more };
  return { orchestrator_details: details };
}
