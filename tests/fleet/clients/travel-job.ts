import { predecessorFile } from "./predecessor.ts";
import type { Result, Task } from "./task.ts";
import { type Ways, WAYS_OF_JANUARY } from "./ways.ts";
import type { Row, Wire } from "./wire.ts";

const SEGMENT_ATTEMPTS = 6;

/** Enqueues the segments, as a chain or not, and the stitch behind them. */
export async function runTravel(
  wire: Wire,
  task: Task,
  ways: Ways = WAYS_OF_JANUARY,
): Promise<Result> {
  const { num_new_segments_to_generate: count, run_id, is_unchained } =
    detailsOf(task);
  const parts = await ways.known(
    wire,
    task,
    (child) => isStitch(child) ? "stitch" : paramsOf(child)["segment_index"],
  );
  const before = parts.size;
  if (before === count + 1 && [...parts.values()].every(isComplete)) {
    return {
      kind: "output",
      url: String(parts.get("stitch")?.["output_location"]),
    };
  }
  const segments: string[] = [];
  for (let index = 0; index < count; index++) {
    const existing = parts.get(index)?.["id"];
    segments.push(
      existing !== undefined ? String(existing) : await ways.create(
        wire,
        task,
        "travel_segment",
        {
          orchestrator_run_id: run_id,
          segment_index: index,
          is_first_segment: index === 0,
          is_last_segment: index === count - 1,
          ...(is_unchained ? { is_unchained } : {}),
        },
        is_unchained ? [] : segments.slice(-1),
      ),
    );
  }
  if (!parts.has("stitch")) {
    const params = { orchestrator_run_id: run_id, expected_segments: count };
    const last = is_unchained ? segments : segments.slice(-1);
    await ways.create(wire, task, "travel_stitch", params, last);
  }
  const text = before > 0
    ? `[IDEMPOTENT] ${before} sub-tasks were there already`
    : `Successfully enqueued ${count} segments and a stitch`;
  return { kind: "progress", text };
}

/** Makes a segment that begins where the one before ended, if it is chained. */
export async function runTravelSegment(
  wire: Wire,
  task: Task,
  namesPlace = false,
): Promise<Result> {
  const index = Number(task.params["segment_index"]);
  const isFirst = index === 0 || task.params["is_unchained"] === true;
  const more = namesPlace ? { child_order: index } : {};
  const before = isFirst
    ? ""
    : `<${await predecessorFile(wire, task.id, more)}>`;
  const name = `segment_${index}.mp4`;
  return { kind: "file", name, bytes: `s${index}${before}` };
}

/** Puts all segments together, in the order of their indices. */
export async function runTravelStitch(wire: Wire, task: Task): Promise<Result> {
  const expected = Number(task.params["expected_segments"]);
  const urls = await completedSegments(wire, task, expected);
  const clips: string[] = [];
  for (const url of urls) clips.push(await wire.download(url));
  return { kind: "file", name: "stitched.mp4", bytes: clips.join(" + ") };
}

/** Asks six times until all are there, then the tables. */
async function completedSegments(
  wire: Wire,
  { params, project_id }: Task,
  expected: number,
): Promise<string[]> {
  const run_id = params["orchestrator_run_id"];
  for (let attempt = 0; attempt < SEGMENT_ATTEMPTS; attempt++) {
    const body = { run_id, project_id };
    const answer = await wire.edge("get-completed-segments", body)
      .catch(() => null);
    if (answer?.status !== 200) continue;
    const segments = answer.json as Segment[];
    if (segments.length >= expected) return inOrder(segments);
  }
  const rows = await wire.rows("GET", "tasks", {
    select: "params,output_location",
    task_type: "eq.travel_segment",
    status: "eq.Complete",
  });
  return inOrder(
    rows.filter((row) => paramsOf(row)["orchestrator_run_id"] === run_id)
      .map((row) => ({
        segment_index: Number(paramsOf(row)["segment_index"]),
        output_location: String(row["output_location"]),
      })),
  );
}

interface Segment {
  readonly segment_index: number;
  readonly output_location: string;
}

function inOrder(segments: readonly Segment[]): string[] {
  return [...segments].sort((a, b) => a.segment_index - b.segment_index)
    .map((segment) => segment.output_location);
}

function detailsOf({ params }: Task) {
  return params["orchestrator_details"] as {
    readonly num_new_segments_to_generate: number;
    readonly run_id: string;
    readonly is_unchained?: boolean;
  };
}

function paramsOf(child: Row): Record<string, unknown> {
  return child["params"] as Record<string, unknown>;
}

function isStitch(child: Row): boolean {
  return child["task_type"] === "travel_stitch";
}

function isComplete(child: Row): boolean {
  return child["status"] === "Complete";
}
