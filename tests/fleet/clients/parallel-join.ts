import { stack } from "../../support/stack.ts";
import type { Result, Task } from "./task.ts";
import type { Ways } from "./ways.ts";
import type { Row, Wire } from "./wire.ts";

const BUCKET = "/storage/v1/object/public/image_uploads/";

/** Since 21 January: every transition by itself, and one stitch of them all. */
export async function joinInParallel(
  wire: Wire,
  task: Task,
  ways: Ways,
): Promise<Result> {
  const { clip_list: clips } = task.params["orchestrator_details"] as {
    clip_list: readonly string[];
  };
  const parts = await ways.known(wire, task, placeOf);
  const stitch = parts.get("stitch");
  if (stitch?.["status"] === "Complete") {
    return { kind: "output", url: String(stitch["output_location"]) };
  }
  const joins: string[] = [];
  for (const [index, next] of clips.slice(1).entries()) {
    const existing = parts.get(index)?.["id"];
    const params = {
      transition_only: true,
      join_index: index,
      between: `${clips[index]}${next}`,
    };
    joins.push(
      existing !== undefined
        ? String(existing)
        : await ways.create(wire, task, "join_clips_segment", params, []),
    );
  }
  if (stitch === undefined) {
    const params = { clip_list: clips, transition_task_ids: joins };
    await ways.create(wire, task, "join_final_stitch", params, joins);
  }
  return {
    kind: "progress",
    text: `Successfully enqueued ${joins.length} joins`,
  };
}

/** A short clip between two, and how much of either it replaces. */
export function makeTransition({ params }: Task): Result {
  const index = Number(params["join_index"]);
  return {
    kind: "json",
    bytes: `transition ${params["between"]}`,
    describe: (path) =>
      JSON.stringify({
        transition_url: `${stack().apiUrl}${BUCKET}${path}`,
        transition_index: index,
        gap_from_clip1: 6 + index,
        gap_from_clip2: 7 + index,
      }),
  };
}

/** Cuts each clip as its transitions say, and puts all together. */
export async function stitchJoins(wire: Wire, task: Task): Promise<Result> {
  const ids = task.params["transition_task_ids"] as readonly string[];
  const cuts: string[] = [];
  for (const task_id of ids) {
    const answer = await wire.edgeWithRetry("get-task-output", { task_id });
    const { output_location } = answer?.json as Row;
    const said = JSON.parse(String(output_location)) as {
      readonly transition_url: string;
      readonly gap_from_clip1: number;
      readonly gap_from_clip2: number;
    };
    const clip = await wire.download(said.transition_url);
    cuts.push(`-${said.gap_from_clip1}[${clip}]-${said.gap_from_clip2}`);
  }
  return { kind: "file", name: "joined.mp4", bytes: cuts.join("") };
}

function placeOf(child: Row): unknown {
  return child["task_type"] === "join_final_stitch"
    ? "stitch"
    : (child["params"] as Record<string, unknown>)["join_index"];
}
