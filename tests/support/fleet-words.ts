/**
 * How the fleet's clients say what the queue reads in general terms
 * (supabase/schemas/85_fleet/payloads.sql), for tests that mean any of them.
 */

/** The member of params that names the parent of a child. */
export const PARENT = "orchestrator_task_id_ref";

/** The types of a part of a family, and of the child that makes the result. */
export const PART = "travel_segment";
export const FINAL = "travel_stitch";
export const MERGE = "join_clips_segment";

/** Params of a child; with an index it is that part. */
export function childOf(
  parent: string,
  part?: number,
): Record<string, string | number> {
  return { [PARENT]: parent, ...(part === undefined ? {} : partNo(part)) };
}

/** Params that say which part a task is. */
export function partNo(part: number): Record<string, string | number> {
  return { segment_index: part };
}

/** Params of an orchestrator that announces so many parts and a final child. */
export function announcing(parts: number): Record<string, unknown> {
  return { orchestrator_details: { num_new_segments_to_generate: parts } };
}

/** Params of an orchestrator that announces merges of so many clips. */
export function merging(clips: number): Record<string, unknown> {
  return { orchestrator_details: { clip_list: Array(clips).fill("clip") } };
}

/** Params of a child that merges. */
export function mergeOf(
  parent: string,
  index: number,
): Record<string, string | number> {
  return { [PARENT]: parent, join_index: index };
}

/** What an orchestrator reports when there is nothing to come, and when all is there. */
export const NOTHING_TO_COME = "No new segments to generate";
export const ENQUEUED = "Successfully enqueued the children";

/** Settings of a user with these switches. */
export function switches(
  cloud: unknown,
  local: unknown = undefined,
): Record<string, unknown> {
  return switchesAre({ inCloud: cloud, onComputer: local });
}

/** Settings in which this stands in the place of both switches. */
export function switchesAre(value: unknown): Record<string, unknown> {
  return { ui: { generationMethods: value } };
}

/** What the switch for cloud or for local work says. */
export function switchOf(settings: unknown, which: "cloud" | "local"): unknown {
  const { ui } = (settings ?? {}) as {
    ui?: { generationMethods?: Record<string, unknown> | null } | null;
  };
  return ui?.generationMethods
    ?.[which === "cloud" ? "inCloud" : "onComputer"];
}

/** The metadata of a rented machine. */
export function rented(id: string): Record<string, unknown> {
  return { runpod_id: id };
}

/** A name that machines without one share. */
export const NAMELESS = "gpu-20250723_221138-afa8403b";
