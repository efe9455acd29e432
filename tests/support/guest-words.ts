/**
 * What fleet-words.ts says, in the queue's own words
 * (supabase/schemas/20_rules/payload.sql); takes its place with `PROFILE=guest`.
 */

export const PARENT = "parent_task_id";

export const PART = "clip";
export const FINAL = "film";
export const MERGE = "montage";

export function childOf(
  parent: string,
  part?: number,
): Record<string, string | number> {
  return { [PARENT]: parent, ...(part === undefined ? {} : partNo(part)) };
}

export function partNo(part: number): Record<string, string | number> {
  return { part_index: part };
}

export function announcing(parts: number): Record<string, unknown> {
  return { expected_children: parts + 1 };
}

export function merging(clips: number): Record<string, unknown> {
  return { expected_children: clips - 1 };
}

export function mergeOf(
  parent: string,
  index: number,
): Record<string, string | number> {
  return childOf(parent, index);
}

export const NOTHING_TO_COME = "Nothing to enqueue";
export const ENQUEUED = "Enqueued the children";

export function switches(
  cloud: unknown,
  local: unknown = undefined,
): Record<string, unknown> {
  return switchesAre({ cloud, local });
}

export function switchesAre(value: unknown): Record<string, unknown> {
  return value as Record<string, unknown>;
}

export function switchOf(settings: unknown, which: "cloud" | "local"): unknown {
  return (settings as Record<string, unknown> | null)?.[which];
}

export function rented(id: string): Record<string, unknown> {
  return { machine_id: id };
}

/** No name is shared until a project says so. */
export const NAMELESS = "gpu-of-nobody";
