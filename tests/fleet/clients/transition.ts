import type { Answer, Wire } from "./wire.ts";

/** What a transition-only join says of its file; the stitch cuts by it. */
export function transition(url: string): string {
  return JSON.stringify({
    transition_url: url,
    transition_index: 0,
    frames: 29,
    gap_frames: 13,
    gap_from_clip1: 6,
    gap_from_clip2: 7,
    context_from_clip1: 8,
    context_from_clip2: 8,
    blend_frames: 8,
  });
}

/** Uploads the file of a join, without a thumbnail; its path in the bucket. */
export async function upload(
  wire: Wire,
  task_id: string,
  bytes = "the frames between",
): Promise<string> {
  const given = await wire.edgeWithRetry("generate-upload-url", {
    task_id,
    filename: "transition.mp4",
    content_type: "video/mp4",
  });
  const { upload_url, storage_path } = given?.json as Record<string, string>;
  await wire.put(upload_url ?? "", bytes, "video/mp4");
  return storage_path ?? "";
}

/** Workers from 18 March on: one call with both. */
export function completeSinceMarch(
  wire: Wire,
  task_id: string,
  storage_path: string,
  output_location: string,
): Promise<Answer | null> {
  const body = { task_id, storage_path, output_location };
  return wire.edgeWithRetry("complete_task", body);
}

/** Workers from 21 January to 17 March, first call: the file. */
export function completeFile(
  wire: Wire,
  task_id: string,
  storage_path: string,
): Promise<Answer | null> {
  return wire.edgeWithRetry("complete_task", { task_id, storage_path });
}

/** Their second call: what there is to say of it. */
export function describeFile(
  wire: Wire,
  task_id: string,
  output_location: string,
): Promise<Answer | null> {
  const body = { task_id, status: "Complete", output_location };
  return wire.edgeWithRetry("update-task-status", body);
}
