/** The API orchestrator: its part of contract 2, 3 and 6. */
import { beforeEach, describe, expect, it } from "vitest";
import { callFunction, type Reply } from "../support/http.ts";
import { send } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { getFile, publicUrl, putFile } from "../support/storage.ts";
import { createTasks } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

const API = { worker_id: "api-worker-main", run_type: "api" };

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("the API orchestrator", () => {
  it("claims as often as it counted, and finds a task each time", async () => {
    await createTasks(owner, 8, { task_type: "qwen_image_edit" });
    const counted = await edge("task-counts", {
      include_active: false,
      run_type: "api",
    });
    const { totals } = counted.json as { totals: { queued_only: number } };
    const claimed = new Set<unknown>();
    for (let i = 0; i < totals.queued_only; i++) {
      const reply = await edge("claim-next-task", API);
      expect(reply.status).toBe(200);
      claimed.add((reply.json as { task_id: string }).task_id);
    }
    expect(claimed.size).toBe(totals.queued_only);
    expect((await edge("claim-next-task", API)).status).toBe(204);
  });

  it("uploads, and may PUT with x-upsert; then completes by path", async () => {
    const task_id = await claimOne();
    const given = await edge("generate-upload-url", {
      task_id,
      filename: "out.png",
      content_type: "image/png",
      generate_thumbnail_url: true,
    });
    const urls = given.json as Record<string, string>;
    const headers = { "content-type": "image/png", "x-upsert": "true" };
    for (const url of [urls["upload_url"], urls["thumbnail_upload_url"]]) {
      expect([200, 201]).toContain(await putFile(url ?? "", "png", headers));
    }
    const reply = await edge("complete_task", {
      task_id,
      storage_path: urls["storage_path"],
      thumbnail_storage_path: urls["thumbnail_storage_path"],
    });
    expect([reply.status, reply.json]).toMatchObject([200, {
      public_url: publicUrl(urls["storage_path"] ?? ""),
      thumbnail_url: publicUrl(urls["thumbnail_storage_path"] ?? ""),
    }]);
  });

  it("stores a composite itself, again and again, for all to download", async () => {
    const path = `task_outputs/out_composite_${crypto.randomUUID()}.jpg`;
    for (const body of ["half", "the whole"]) {
      const reply = await send(`/storage/v1/object/image_uploads/${path}`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${stack().serviceRoleKey}`,
          "content-type": "image/jpeg",
          "x-upsert": "true",
        },
        body,
      });
      expect([200, 201], reply.text).toContain(reply.status);
    }
    expect(await getFile(publicUrl(path)))
      .toMatchObject({ status: 200, bytes: "the whole" });
  });

  it("hands in base64 with a screenshot, and finds where it is in the reply", async () => {
    const task_id = await claimOne();
    const reply = await edge("complete_task", {
      task_id,
      file_data: btoa("a video"),
      filename: "out-1_a.mp4",
      first_frame_data: btoa("a picture"),
      first_frame_filename: "out-1_a_screenshot.png",
    });
    const body = reply.json as { public_url: string; output_location: string };
    expect(reply.status).toBe(200);
    expect(body.public_url).toBe(body.output_location);
    expect((await getFile(body.public_url)).bytes).toBe("a video");
  });

  it("falls back to its own URL when the reply was lost: the file stays", async () => {
    const task_id = await claimOne();
    const file = { task_id, file_data: btoa("png"), filename: "out.png" };
    await edge("complete_task", file);
    const output_location = "https://provider.test/out.png";
    const reply = await edge("complete_task", { task_id, output_location });
    expect(reply.status).toBe(200);
    expect((await readTask(task_id))["output_location"])
      .toMatch(/\/image_uploads\/.*out\.png$/);
  });

  it("completes with nothing but the id", async () => {
    const task_id = await claimOne();
    expect((await edge("complete_task", { task_id })).status).toBe(200);
    expect((await readTask(task_id))["status"]).toBe("Complete");
  });

  it("marks failed, in 500 characters, and is told nothing it would read", async () => {
    const task_id = await claimOne();
    const output_location = "e".repeat(500);
    const body = { task_id, status: "Failed", output_location };
    const reply = await edge("update-task-status", body);
    expect(reply.status).toBeLessThan(400);
    expect(await readTask(task_id)).toMatchObject({
      status: "Failed",
      output_location,
      error_message: output_location,
      worker_id: "api-worker-main",
    });
  });

  it("may complete and fail with its user's token instead of the key", async () => {
    const key = await createToken(owner);
    const task_id = await claimOne();
    const reply = await callFunction("complete_task", { task_id }, { key });
    expect(reply.status).toBe(200);
  });
});

function edge(name: string, body: unknown): Promise<Reply> {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

async function claimOne(): Promise<string> {
  await createTasks(owner, 1, { task_type: "qwen_image_edit" });
  const { json } = await edge("claim-next-task", API);
  return (json as { task_id: string }).task_id;
}
