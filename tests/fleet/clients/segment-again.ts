import type { Result, Task } from "./task.ts";
import type { Row, Wire } from "./wire.ts";

/** A segment that a user wants once more: it goes on from the one beside it. */
export async function segmentAgain(wire: Wire, task: Task): Promise<Result> {
  const { parent_generation_id, child_order } = task.params;
  const answer = await wire.edge("get-predecessor-output", {
    task_id: task.id,
    parent_generation_id,
    child_order,
  });
  const { output_location } = answer.json as Row;
  const before = await wire.download(String(output_location));
  return {
    kind: "file",
    name: `segment_${child_order}.mp4`,
    bytes: `again after ${before}`,
  };
}
