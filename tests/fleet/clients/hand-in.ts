import type { Result, Task } from "./task.ts";
import type { Answer, Wire } from "./wire.ts";

/** Files from here on are uploaded first. 2 MiB in truth; ours are short. */
export const UPLOADED_FROM = 24;

const PUBLIC = "/storage/v1/object/public/image_uploads/";

/** Reports how a task ended, in the bodies of docs/contract.md, 3.3 and 3.5. */
export async function handIn(
  wire: Wire,
  { id: task_id }: Task,
  result: Exclude<Result, { readonly kind: "json" }>,
): Promise<void> {
  if (result.kind === "progress" || result.kind === "failed") {
    const status = result.kind === "failed" ? "Failed" : "In Progress";
    const body = { task_id, status, output_location: result.text };
    return void await wire.edgeWithRetry("update-task-status", body);
  }
  const body = result.kind === "file"
    ? await filesOf(wire, task_id, result)
    : outputOf(task_id, result.url);
  const answer = body && await wire.edgeWithRetry("complete_task", body);
  if (answer?.status === 200) return;
  const output_location = "Completion failed: no reply";
  const failed = { task_id, status: "Failed", output_location };
  await wire.edgeWithRetry("update-task-status", failed);
}

/** The output of a child, by reference when it is in the bucket. */
function outputOf(task_id: string, url: string): object {
  const [, storage_path] = url.split(PUBLIC);
  return storage_path === undefined
    ? { task_id, output_location: url }
    : { task_id, storage_path };
}

async function filesOf(
  wire: Wire,
  task_id: string,
  { name, bytes }: { readonly name: string; readonly bytes: string },
): Promise<object | null> {
  if (bytes.length < UPLOADED_FROM) {
    return {
      task_id,
      file_data: btoa(bytes),
      filename: name,
      first_frame_data: btoa("a picture"),
      first_frame_filename: `thumb_${task_id.slice(0, 8)}.jpg`,
    };
  }
  const given = await wire.edgeWithRetry("generate-upload-url", {
    task_id,
    filename: name,
    content_type: "video/mp4",
    generate_thumbnail_url: true,
  });
  if (!isOk(given)) return null;
  const urls = given.json as Record<string, string>;
  const { upload_url = "", storage_path, thumbnail_upload_url = "" } = urls;
  if (!isOk(await wire.put(upload_url, bytes, "video/mp4"))) return null;
  const picture = await wire.put(
    thumbnail_upload_url,
    "a picture",
    "image/jpeg",
  );
  const { thumbnail_storage_path } = urls;
  return {
    task_id,
    storage_path,
    ...(isOk(picture) ? { thumbnail_storage_path } : {}),
  };
}

function isOk(answer: Answer | null): answer is Answer {
  return answer?.status === 200 || answer?.status === 201;
}
