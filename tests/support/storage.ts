import { z } from "zod";
import { createFilePaths } from "../../supabase/functions/_fairlane/files/storage-path.ts";
import { stack } from "./stack.ts";

/** The bucket that functions and workers use. */
export const BUCKET = "image_uploads";

/** The URL under which everybody can read a file of the bucket. */
export function publicUrl(path: string): string {
  return `${stack().apiUrl}/storage/v1/object/public/${BUCKET}/${path}`;
}

/** The path that a file of this name gets in a task's folder. */
export function fileIn(folder: string, name: string, attempt = 1): string {
  const [user_id = "", , task_id = ""] = folder.split("/");
  const target = { user_id, task_id, attempt, status: "", is_open: true };
  return createFilePaths(stack().secretKey).file(target, name);
}

/** The path that a thumbnail of this name gets. */
export function thumbnailIn(folder: string, name: string): string {
  const [user_id = "", , task_id = ""] = folder.split("/");
  const target = { user_id, task_id, attempt: 1, status: "", is_open: true };
  return createFilePaths(stack().secretKey).thumbnail(target, name);
}

/** PUTs a file as deployed workers do: no header but the type of the file. */
export async function putFile(
  url: string,
  bytes: string,
  headers: Readonly<Record<string, string>> = { "content-type": "video/mp4" },
): Promise<number> {
  const response = await fetch(url, { method: "PUT", headers, body: bytes });
  await response.text();
  return response.status;
}

/** What a plain GET without credentials answers: status, bytes, headers. */
export async function getFile(
  url: string,
): Promise<{ status: number; bytes: string; headers: Headers }> {
  const response = await fetch(url);
  const { status, headers } = response;
  return { status, bytes: await response.text(), headers };
}

/** Names of all objects below a folder, as the service key sees them. */
export async function filesBelow(folder: string): Promise<string[]> {
  const names: string[] = [];
  for (const { name, id } of await listFolder(folder)) {
    const path = `${folder}/${name}`;
    if (id === null) names.push(...await filesBelow(path));
    else names.push(path);
  }
  return names.toSorted();
}

const Listing = z.array(
  z.object({ name: z.string(), id: z.string().nullable() }),
);

async function listFolder(prefix: string): Promise<z.infer<typeof Listing>> {
  const response = await fetch(
    `${stack().apiUrl}/storage/v1/object/list/${BUCKET}`,
    {
      method: "POST",
      headers: {
        apikey: stack().secretKey,
        "content-type": "application/json",
      },
      body: JSON.stringify({ prefix, limit: 1000, offset: 0 }),
    },
  );
  if (!response.ok) throw new Error(await response.text());
  return Listing.parse(await response.json());
}
