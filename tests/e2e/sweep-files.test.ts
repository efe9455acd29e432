import { beforeEach, describe, expect, it } from "vitest";
import { SweepFilesReply } from "../../shared/sweep-files.ts";
import { UploadUrlReply } from "../../shared/upload-url.ts";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { filesBelow, publicUrl, putFile } from "../support/storage.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  // Other files leave theirs behind, and theirs are swept as well.
  await admin()`delete from storage.objects`;
  owner = await createOwner();
});

describe("the file of a task that the owner cancels after the upload", () => {
  it("is under a name that nobody can guess, the same at each asking", async () => {
    const { task_id } = await uploaded();
    const first = await ask(task_id);
    expect(first.storage_path).toMatch(
      new RegExp(`^${owner.id}/tasks/${task_id}/[0-9a-f]{32}-out\\.mp4$`),
    );
    expect((await ask(task_id)).storage_path).toBe(first.storage_path);
    const guessed = publicUrl(`${owner.id}/tasks/${task_id}/out.mp4`);
    expect((await fetch(guessed)).ok).toBe(false);
  });

  it("is swept after a day, and not before", async () => {
    const { task_id, path } = await uploaded();
    await end(task_id, "Cancelled");
    expect((await sweep()).files).toEqual([]);
    await aDayPasses();
    expect((await sweep({ dry_run: true })).files).toEqual([path]);
    expect(await filesBelow(`${owner.id}/tasks/${task_id}`)).toEqual([path]);
    expect(await sweep()).toMatchObject({ removed: 1, files: [path] });
    expect(await filesBelow(`${owner.id}/tasks/${task_id}`)).toEqual([]);
  });
});

describe("sweep-files", () => {
  it("takes those of failed and deleted tasks, and of no other", async () => {
    const failed = await uploaded();
    await end(failed.task_id, "Failed");
    const deleted = await uploaded();
    await admin()`delete from public.tasks where id = ${deleted.task_id}`;
    await uploaded(); // runs
    const complete = await uploaded();
    await uploaded(complete.task_id, "preview.jpg");
    await callFunction("complete-task", {
      task_id: complete.task_id,
      storage_path: complete.path,
    }, { key: stack().secretKey });
    await aDayPasses();
    expect((await sweep()).files)
      .toEqual([failed.path, deleted.path].toSorted());
  });

  it("leaves what another task's output, a result or a live task's params name", async () => {
    const [asOutput, asResult, asParams, asJson, forNothing] = [
      await uploaded(),
      await uploaded(),
      await uploaded(),
      await uploaded(),
      await uploaded(),
    ];
    const done = await createTask(owner);
    await startTask(done);
    await callFunction("complete-task", {
      task_id: done,
      storage_path: asOutput.path,
    }, { key: stack().secretKey });
    const json = await createTask(owner);
    await startTask(json);
    await callFunction("complete-task", {
      task_id: json,
      output_location: JSON.stringify({ transition: publicUrl(asJson.path) }),
    }, { key: stack().secretKey });
    await admin()`
      insert into public.generations (project_id, user_id, location)
      values (${owner.projectId}, ${owner.id}, ${publicUrl(asResult.path)})
    `;
    await createTask(owner, {
      params: { clips: [{ url: publicUrl(asParams.path) }] },
    });
    for (
      const { task_id } of [asOutput, asResult, asParams, asJson, forNothing]
    ) {
      await end(task_id, "Failed");
    }
    await aDayPasses();
    expect((await sweep()).files).toEqual([forNothing.path]);
  });

  it("is for the service key alone", async () => {
    const key = await createToken(owner);
    expectError(await callFunction("sweep-files", {}, { key }), "FORBIDDEN");
  });
});

/** A running task with one uploaded file. */
async function uploaded(id?: string, filename = "out.mp4") {
  const task_id = id ?? await createTask(owner);
  if (id === undefined) await startTask(task_id);
  const { upload_url, storage_path } = await ask(task_id, filename);
  expect(await putFile(upload_url, "a video")).toBe(200);
  return { task_id, path: storage_path };
}

async function ask(
  task_id: string,
  filename = "out.mp4",
): Promise<UploadUrlReply> {
  const body = { task_id, filename };
  return expectOk(
    await callFunction("generate-upload-url", body, { key: stack().secretKey }),
    UploadUrlReply,
  );
}

async function end(task_id: string, status: string): Promise<void> {
  const body = { task_id, status };
  const key = stack().secretKey;
  expect((await callFunction("update-task-status", body, { key })).status)
    .toBe(200);
}

/** For the files: all that is there was uploaded a day earlier. */
async function aDayPasses(): Promise<void> {
  await admin()`
    update storage.objects
    set created_at = created_at - interval '1 day 1 second',
      updated_at = updated_at - interval '1 day 1 second'
  `;
}

async function sweep(body: object = {}): Promise<SweepFilesReply> {
  const reply = await callFunction("sweep-files", body, {
    key: stack().secretKey,
  });
  return expectOk(reply, SweepFilesReply);
}
