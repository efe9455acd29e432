import type { Result, Task } from "./task.ts";
import { type Ways, WAYS_OF_JANUARY } from "./ways.ts";
import type { Row, Wire } from "./wire.ts";

/**
 * Cuts the portions out that are to be made anew and enqueues a join over each
 * gap, each after the one before. Nothing in the params announces how many.
 */
export async function editVideo(
  wire: Wire,
  task: Task,
  ways: Ways = WAYS_OF_JANUARY,
): Promise<Result> {
  const { kept_clips } = task.params["orchestrator_details"] as {
    kept_clips: readonly string[];
  };
  const joins = await ways.known(wire, task, indexOf);
  const before = joins.size;
  const last = joins.get(kept_clips.length - 2);
  if (
    last !== undefined &&
    [...joins.values()].every((join) => join["status"] === "Complete")
  ) {
    return { kind: "output", url: String(last["output_location"]) };
  }
  let previous: string[] = [];
  for (const [index, next] of kept_clips.slice(1).entries()) {
    const existing = joins.get(index)?.["id"];
    const first = index === 0 ? { first_clip: kept_clips[0] } : {};
    const params = { join_index: index, next_clip: next, ...first };
    previous = [
      existing !== undefined
        ? String(existing)
        : await ways.create(wire, task, "join_clips_segment", params, previous),
    ];
  }
  const text = before > 0
    ? `[IDEMPOTENT] ${before} portions were there already`
    : `Successfully enqueued ${kept_clips.length - 1} portions`;
  return { kind: "progress", text };
}

function indexOf(child: Row): unknown {
  return (child["params"] as Record<string, unknown>)["join_index"];
}
