import { UploadTarget } from "../../../../shared/upload-url.ts";
import type { Call } from "../frame/endpoint.ts";

/** The fields of a body that say which task a file is for. */
export interface TaskReference {
  readonly task_id: string;
  readonly lease_token: string | undefined;
}

/**
 * Asks the database whose folder the files of a task go to and whether it takes
 * any. Refuses strangers and lost leases before a byte is stored.
 */
export async function askUploadTarget(
  rpc: Call<unknown>["rpc"],
  { task_id, lease_token }: TaskReference,
): Promise<UploadTarget> {
  const reply = await rpc("upload_target", {
    p_task_id: task_id,
    p_lease_token: lease_token,
  });
  return UploadTarget.parse(JSON.parse(reply));
}
