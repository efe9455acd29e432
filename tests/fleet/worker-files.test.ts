/**
 * A worker's files, byte by byte: complete_task,
 * generate-upload-url and the bucket (docs/fleet.md, 3.3, 3.4 and 6). Faults of the
 * storage and files of strangers are in tests/e2e/complete-*.test.ts.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { callFunction, type Reply } from "../support/http.ts";
import { send } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import {
  fileIn,
  filesBelow,
  getFile,
  publicUrl,
  putFile,
  thumbnailIn,
} from "../support/storage.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const W = "gpu-20260111_120000-0a1b2c3d";
/** Where a worker cuts a URL in two to find the path of a file. */
const CUT = "/storage/v1/object/public/image_uploads/";
const JPEG = { "content-type": "image/jpeg" };

let owner: Owner;
let task_id: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  task_id = await createTask(owner);
  await startTask(task_id, W);
});

describe("complete_task, whose reply has what the worker reads", () => {
  it("base64: URLs below the owner's id, the task's id and `thumbnails`", async () => {
    const thumbnail = `thumb_${task_id.slice(0, 8)}.jpg`;
    const reply = await complete({
      file_data: btoa("a video"),
      filename: "out.mp4",
      first_frame_data: btoa("a picture"),
      first_frame_filename: thumbnail,
    });
    const folder = `${owner.id}/tasks/${task_id}`;
    const urls = {
      public_url: publicUrl(fileIn(folder, "out.mp4")),
      thumbnail_url: publicUrl(thumbnailIn(folder, thumbnail)),
    };
    expect([reply.status, reply.json]).toMatchObject([200, urls]);
    expect(urls.public_url.split(CUT)[1]).toBe(fileIn(folder, "out.mp4"));
    expect(await readTask(task_id)).toMatchObject({
      output_location: urls.public_url,
      thumbnail_url: urls.thumbnail_url,
    });
  });

  it.each([
    [
      "userId/tasks/<other task>/file",
      () => `${owner.id}/tasks/${crypto.randomUUID()}/final.mp4`,
    ],
    ["userId/file", () => `${owner.id}/uploaded.mp4`],
  ])("reference, %s: the URL it came from, once more", async (_form, path) => {
    const storage_path = path();
    const thumbnail_storage_path = storage_path.replace(".mp4", ".jpg");
    await store(storage_path);
    const body = { storage_path, thumbnail_storage_path };
    const [first, again] = [await complete(body), await complete(body)];
    const urls = {
      public_url: publicUrl(storage_path),
      thumbnail_url: publicUrl(thumbnail_storage_path),
    };
    expect([first.status, first.json]).toMatchObject([200, urls]);
    expect([again.status, again.text]).toEqual([200, first.text]);
    expect((await getFile(urls.public_url)).bytes).toBe("a video");
    // Nothing is copied, nothing is tidied away.
    expect(await filesBelow(`${owner.id}/tasks/${task_id}`)).toEqual([]);
    expect(await readTask(task_id)).toMatchObject({
      status: "Complete",
      output_location: urls.public_url,
    });
  });

  it("plain: the text it sent, and null for a thumbnail", async () => {
    const output_location = "https://provider.test/out.mp4?sig=a%2Bb";
    const reply = await complete({ output_location });
    expect([reply.status, reply.json]).toMatchObject([200, {
      public_url: output_location,
      output_location,
      thumbnail_url: null,
    }]);
  });

  it("bare: null for each", async () => {
    const reply = await complete({});
    expect([reply.status, reply.json]).toMatchObject([200, {
      public_url: null,
      output_location: null,
      thumbnail_url: null,
    }]);
  });

  it.each([".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"])(
    "takes a video that is a %s",
    async (extension) => {
      const file = { file_data: btoa("v"), filename: `out${extension}` };
      const reply = await complete(file);
      expect([reply.status, reply.json]).toMatchObject([200, {
        public_url: expect.stringMatching(new RegExp(`-out\\${extension}$`)),
      }]);
    },
  );
});

describe("update-task-status, which may bring a result, too", () => {
  it("keeps its output and its thumbnail", async () => {
    const result = {
      output_location: publicUrl(`${owner.id}/final.mp4`),
      thumbnail_url: publicUrl(`${owner.id}/final.jpg`),
    };
    const body = { task_id, status: "Complete", ...result };
    expect((await edge("update-task-status", body)).status).toBe(200);
    expect(await readTask(task_id))
      .toMatchObject({ status: "Complete", ...result });
  });
});

describe("generate-upload-url of a running task", () => {
  it("answers absolute URLs and paths, both for the thumbnail when asked to", async () => {
    const reply = await urlFor("out.mp4", { generate_thumbnail_url: true });
    const folder = `${owner.id}/tasks/${task_id}`;
    expect([reply.status, reply.json]).toMatchObject([200, {
      upload_url: expect.stringMatching(/^http:\/\/.*\?token=/),
      storage_path: fileIn(folder, "out.mp4"),
      thumbnail_upload_url: expect.stringMatching(/^http:\/\/.*\?token=/),
      thumbnail_storage_path: expect.stringMatching(
        new RegExp(`^${folder}/thumbnails/[^/]+$`),
      ),
    }]);
  });

  it("takes intermediate files, for all to download at the URL a worker builds", async () => {
    for (const side of ["combined", "LEFT", "RIGHT"]) {
      const name = `vlm_debug_pair0_${side}.jpg`;
      const { json } = await urlFor(name, { content_type: "image/jpeg" });
      const { upload_url, storage_path } = json as Record<string, string>;
      for (const bytes of ["half", `all of ${side}`]) {
        expect([200, 201])
          .toContain(await putFile(upload_url ?? "", bytes, JPEG));
      }
      const file = await getFile(`${stack().apiUrl}${CUT}${storage_path}`);
      expect(file).toMatchObject({ status: 200, bytes: `all of ${side}` });
      expect(file.headers.get("content-length"))
        .toBe(String(file.bytes.length));
    }
    expect(await readTask(task_id)).toMatchObject({
      status: "In Progress",
      output_location: null,
      worker_id: W,
    });
  });
});

function complete(body: object): Promise<Reply> {
  return edge("complete_task", { task_id, ...body });
}

function urlFor(filename: string, more: object): Promise<Reply> {
  const body = { task_id, filename, content_type: "video/mp4", ...more };
  return edge("generate-upload-url", body);
}

function edge(name: string, body: unknown): Promise<Reply> {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

/** Puts a file into the bucket, as an orchestrator does. */
async function store(path: string): Promise<void> {
  const reply = await send(`/storage/v1/object/image_uploads/${path}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${stack().serviceRoleKey}`,
      "content-type": "video/mp4",
      "x-upsert": "true",
    },
    body: "a video",
  });
  expect([200, 201], reply.text).toContain(reply.status);
}
