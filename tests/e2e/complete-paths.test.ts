import { beforeEach, describe, expect, it } from "vitest";
import { CompleteReply } from "../../shared/complete.ts";
import { UploadUrlReply } from "../../shared/upload-url.ts";
import { admin } from "../support/db.ts";
import { callFunction, type CallOptions } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { fileIn, filesBelow, publicUrl, putFile } from "../support/storage.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

let owner: Owner;
let task_id: string;
let folder: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  ({ task_id, folder } = await running());
});

describe("complete_task with a path", () => {
  it("completes with what was uploaded before", async () => {
    const urls = await uploaded({ generate_thumbnail_url: true });
    const body = {
      storage_path: urls.storage_path,
      thumbnail_storage_path: urls.thumbnail_storage_path,
    };
    const first = await complete(body);
    expect(expectOk(first, CompleteReply)).toMatchObject({
      public_url: urls.public_url,
      // Its upload failed, as far as anyone can tell.
      thumbnail_url: null,
    });
    expect((await complete(body)).text).toBe(first.text);
    expect(await filesBelow(folder)).toEqual([urls.storage_path]);
  });

  it("takes the thumbnail that is there", async () => {
    const urls = await uploaded({ generate_thumbnail_url: true });
    const url = urls.thumbnail_upload_url ?? "";
    await putFile(url, "a picture", { "content-type": "image/jpeg" });
    const reply = await complete({
      storage_path: urls.storage_path,
      thumbnail_storage_path: urls.thumbnail_storage_path,
    });
    expect(expectOk(reply, CompleteReply).thumbnail_url)
      .toBe(publicUrl(urls.thumbnail_storage_path ?? ""));
  });

  it("refuses a file that was never uploaded; then it may be", async () => {
    const storage_path = fileIn(folder, "out.mp4");
    expectError(await complete({ storage_path }), "FILE_NOT_FOUND");
    expect((await readTask(task_id))["status"]).toBe("In Progress");
    await uploaded();
    expectOk(await complete({ storage_path }), CompleteReply);
  });

  it("takes no empty file for a result; the failure may be reported", async () => {
    const { storage_path, upload_url } = await uploaded();
    expect(await putFile(upload_url, "")).toBe(200);
    expectError(await complete({ storage_path }), "FILE_EMPTY");
    const [generation] = await admin()`
      select from public.generations where task_id = ${task_id}
    `;
    expect(generation).toBeUndefined();
    const failed = await callFunction("update-task-status", {
      task_id,
      status: "Failed",
      output_location: "Upload failed: no bytes",
    }, { key: stack().secretKey });
    expect(failed.status).toBe(200);
    expect(await readTask(task_id)).toMatchObject({
      status: "Failed",
      error_message: "Upload failed: no bytes",
    });
  });

  it("takes the name that Storage itself gives a file", async () => {
    const { storage_path } = await uploaded();
    const reply = await complete({
      storage_path: `image_uploads/${storage_path}`,
    });
    expect(expectOk(reply, CompleteReply).public_url)
      .toBe(publicUrl(storage_path));
  });

  it("answers a repeat though the file is gone meanwhile", async () => {
    const { storage_path } = await uploaded();
    const first = await complete({ storage_path });
    await fetch(`${stack().apiUrl}/storage/v1/object/image_uploads`, {
      method: "DELETE",
      headers: { apikey: stack().secretKey },
      body: JSON.stringify({ prefixes: [storage_path] }),
    });
    expect(await filesBelow(folder)).toEqual([]);
    expect((await complete({ storage_path })).text).toBe(first.text);
  });

  it("refers to a child's file, by service key and owner's token", async () => {
    const child = await running();
    const storage_path = `${child.folder}/final.mp4`;
    const key = await createToken(owner);
    const reply = await complete({ storage_path }, { key });
    expect(expectOk(reply, CompleteReply).public_url)
      .toBe(publicUrl(storage_path));
    const other = await running();
    const again = await completeTask(other.task_id, { storage_path });
    expect(expectOk(again, CompleteReply).public_url)
      .toBe(publicUrl(storage_path));
  });

  it("is not for files of somebody else", async () => {
    const stranger = await createOwner();
    const storage_path = `${stranger.id}/tasks/${task_id}/out.mp4`;
    const key = await createToken(owner);
    expectError(await complete({ storage_path }, { key }), "FORBIDDEN");
    for (const path of [`${owner.id}/../${stranger.id}/a.mp4`, "/a", "a//b"]) {
      expectError(await complete({ storage_path: path }), "INVALID_BODY");
    }
    expect((await readTask(task_id))["status"]).toBe("In Progress");
  });
});

async function running() {
  const id = await createTask(owner);
  await startTask(id);
  return { task_id: id, folder: `${owner.id}/tasks/${id}` };
}

/** Uploads a video as deployed workers do; the reply they got before. */
async function uploaded(body: object = {}): Promise<UploadUrlReply> {
  const reply = await callFunction("generate-upload-url", {
    task_id,
    filename: "out.mp4",
    content_type: "video/mp4",
    ...body,
  }, { key: stack().secretKey });
  const urls = expectOk(reply, UploadUrlReply);
  expect(await putFile(urls.upload_url, "a video")).toBe(200);
  return urls;
}

function complete(body: object, options?: CallOptions) {
  return completeTask(task_id, body, options);
}

function completeTask(
  id: string,
  body: object,
  options: CallOptions = { key: stack().secretKey },
) {
  return callFunction("complete_task", { task_id: id, ...body }, options);
}
