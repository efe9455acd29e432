import { predecessorFile } from "./predecessor.ts";
import type { Result, Task } from "./task.ts";
import { type Ways, WAYS_OF_JANUARY } from "./ways.ts";
import type { Row, Wire } from "./wire.ts";

/** Enqueues one join less than there are clips, each after the one before. */
export async function joinClips(
  wire: Wire,
  task: Task,
  ways: Ways = WAYS_OF_JANUARY,
): Promise<Result> {
  const { clip_list } = task.params["orchestrator_details"] as {
    clip_list: readonly string[];
  };
  const joins = await ways.known(wire, task, indexOf);
  const before = joins.size;
  const last = joins.get(clip_list.length - 2);
  if (
    last !== undefined && before === clip_list.length - 1 &&
    [...joins.values()].every((join) => join["status"] === "Complete")
  ) {
    return { kind: "output", url: String(last["output_location"]) };
  }
  let previous: string[] = [];
  for (const [index, next] of clip_list.slice(1).entries()) {
    const existing = joins.get(index)?.["id"];
    const first = index === 0 ? { first_clip: clip_list[0] } : {};
    const params = { join_index: index, next_clip: next, ...first };
    previous = [
      existing !== undefined
        ? String(existing)
        : await ways.create(wire, task, "join_clips_segment", params, previous),
    ];
  }
  const text = before > 0
    ? `[IDEMPOTENT] ${before} joins were there already`
    : `Successfully enqueued ${clip_list.length - 1} joins`;
  return { kind: "progress", text };
}

/** Joins what there is so far with the next clip. */
export async function joinOneClip(wire: Wire, task: Task): Promise<Result> {
  const { join_index, first_clip, next_clip } = task.params;
  const before = join_index === 0
    ? String(first_clip)
    : await predecessorFile(wire, task.id);
  const name = `join_${join_index}.mp4`;
  return { kind: "file", name, bytes: `(${before}${next_clip})` };
}

function indexOf(child: Row): unknown {
  return (child["params"] as Record<string, unknown>)["join_index"];
}
