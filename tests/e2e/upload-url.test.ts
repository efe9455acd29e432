import { beforeEach, describe, expect, it } from "vitest";
import { UploadUrlReply } from "../../shared/upload-url.ts";
import { callFunction, type CallOptions } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import {
  fileIn,
  filesBelow,
  getFile,
  putFile,
  thumbnailIn,
} from "../support/storage.ts";
import { userJwt } from "../support/tokens.ts";
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
  task_id = await createTask(owner);
  await startTask(task_id);
  folder = `${owner.id}/tasks/${task_id}`;
});

describe("generate-upload-url", () => {
  it("gives a URL that takes the file without credentials", async () => {
    const reply = await urlFor({ filename: "out.mp4" });
    expect(reply.storage_path).toBe(fileIn(folder, "out.mp4"));
    expect(await putFile(reply.upload_url, "a video")).toBe(200);
    const file = await getFile(reply.public_url);
    expect(file).toMatchObject({ status: 200, bytes: "a video" });
    expect(file.headers.get("content-length")).toBe("7");
    expect(file.headers.get("content-type")).toBe("video/mp4");
  });

  it("gives a URL that takes the file again", async () => {
    const reply = await urlFor({ filename: "out.mp4" });
    expect(await putFile(reply.upload_url, "half a vid")).toBe(200);
    expect(await putFile(reply.upload_url, "a video")).toBe(200);
    const headers = { "content-type": "video/mp4", "x-upsert": "true" };
    expect(await putFile(reply.upload_url, "a video", headers)).toBe(200);
    expect((await getFile(reply.public_url)).bytes).toBe("a video");
    expect(await filesBelow(folder)).toEqual([reply.storage_path]);
  });

  it("gives one for the thumbnail when asked to", async () => {
    const reply = await urlFor({
      filename: "out.mp4",
      generate_thumbnail_url: true,
    });
    const url = reply.thumbnail_upload_url ?? "";
    expect(await putFile(url, "a picture", { "content-type": "image/jpeg" }))
      .toBe(200);
    expect(await filesBelow(folder))
      .toEqual([thumbnailIn(folder, "thumb_out.jpg")]);
    expect(reply.thumbnail_storage_path)
      .toBe(thumbnailIn(folder, "thumb_out.jpg"));
  });

  it("gives a running task any number of files, and leaves it running", async () => {
    for (const side of ["combined", "LEFT", "RIGHT"]) {
      const reply = await urlFor({
        filename: `vlm_debug_pair0_${side}.jpg`,
        content_type: "image/jpeg",
      });
      const headers = { "content-type": "image/jpeg" };
      expect(await putFile(reply.upload_url, side, headers)).toBe(200);
    }
    expect(await filesBelow(folder)).toHaveLength(3);
    expect(await readTask(task_id)).toMatchObject({
      status: "In Progress",
      output_location: null,
    });
  });

  it("gives one for a task that was requeued from its worker", async () => {
    await rest("PATCH", "tasks", { id: `eq.${task_id}` }, {
      body: { status: "Queued", error_message: "silent" },
    });
    expect((await readTask(task_id))["status"]).toBe("Queued");
    expect((await urlFor({ filename: "out.mp4" })).storage_path)
      .toBe(fileIn(folder, "out.mp4"));
  });

  it("keeps a worker that was given up from overwriting the result", async () => {
    const late = await urlFor({ filename: "out.mp4" });
    await rest("PATCH", "tasks", { id: `eq.${task_id}` }, {
      body: { status: "Queued", error_message: "silent" },
    });
    await startTask(task_id);
    const { upload_url, storage_path, public_url } = await urlFor({
      filename: "out.mp4",
    });
    expect(storage_path).toBe(fileIn(folder, "out.mp4", 2));
    expect(await putFile(upload_url, "the result")).toBe(200);
    const body = { task_id, storage_path };
    expect((await callFunction("complete_task", body, service())).status)
      .toBe(200);
    expect(await putFile(late.upload_url, "too late")).toBe(200);
    expect((await getFile(public_url)).bytes).toBe("the result");
  });

  it("gives a URL for one path only", async () => {
    const reply = await urlFor({ filename: "out.mp4" });
    const elsewhere = reply.upload_url.replace("out.mp4", "other.mp4");
    expect(await putFile(elsewhere, "x")).toBe(400);
    const forged = `${reply.upload_url.split("?")[0]}?token=a.b.c`;
    expect(await putFile(forged, "x")).toBe(400);
    expect(await filesBelow(folder)).toEqual([]);
  });

  it("gives a URL that takes images and videos only", async () => {
    const reply = await urlFor({ filename: "out.mp4" });
    for (const type of ["text/html", "image/svg+xml"]) {
      expect(await putFile(reply.upload_url, "x", { "content-type": type }))
        .toBe(400);
    }
    expect(await filesBelow(folder)).toEqual([]);
  });

  it.each([
    "../../../../secret.mp4",
    "..\\..\\secret.mp4",
    "%2e%2e/secret.mp4",
    "/etc/passwd.mp4",
    "a\u0000/../b.mp4",
    "\uFF0E\uFF0E/b.mp4",
  ])("keeps %j in the task's folder", async (filename) => {
    const reply = await urlFor({ filename });
    expect(reply.storage_path).toMatch(
      new RegExp(`^${folder}/[A-Za-z0-9][A-Za-z0-9._-]*\\.mp4$`),
    );
    expect(await putFile(reply.upload_url, "x")).toBe(200);
    expect(await filesBelow(folder)).toEqual([reply.storage_path]);
  });

  it("is for the owner's token and JWT too, and not for a stranger's", async () => {
    const stranger = await createOwner();
    for (const key of [await createToken(owner), await userJwt(owner.id)]) {
      expectOk(await ask({ filename: "out.mp4" }, { key }), UploadUrlReply);
    }
    for (
      const key of [await createToken(stranger), await userJwt(stranger.id)]
    ) {
      expectError(
        await ask({ filename: "out.mp4" }, { key }),
        "TASK_NOT_FOUND",
      );
    }
    expectError(
      await ask({ filename: "out.mp4" }, { key: stack().anonKey }),
      "FORBIDDEN",
    );
  });

  it("refuses a lease that was lost", async () => {
    const lease_token = "11111111-2222-4333-8444-555555555555";
    expectError(await ask({ filename: "a.mp4", lease_token }), "LEASE_LOST");
  });

  it("refuses a task that nobody was given, and one that has ended", async () => {
    const queued = await createTask(owner);
    expectError(
      await ask({ filename: "a.mp4", task_id: queued }),
      "ILLEGAL_TRANSITION",
    );
    await callFunction("complete_task", { task_id }, service());
    expectError(await ask({ filename: "a.mp4" }), "ILLEGAL_TRANSITION");
  });

  it("answers 4xx to the ids that workers make up", async () => {
    expectError(
      await ask({ filename: "a.mp4", task_id: "unknown_task_1767225600" }),
      "INVALID_BODY",
    );
  });
});

describe("the bucket", () => {
  const object = () =>
    `${stack().apiUrl}/storage/v1/object/image_uploads/task_outputs/a.jpg`;
  const send = async (method: string, headers: Record<string, string>) => {
    const response = await fetch(object(), {
      method,
      headers: { "content-type": "image/jpeg", ...headers },
      ...(method === "POST" ? { body: "x" } : {}),
    });
    await response.text();
    return response.status;
  };

  it("takes uploads from the service key as the orchestrators send them", async () => {
    const headers = {
      authorization: `Bearer ${stack().serviceRoleKey}`,
      "x-upsert": "true",
    };
    expect(await send("POST", headers)).toBe(200);
    expect(await send("POST", headers)).toBe(200);
    expect(await send("POST", { ...headers, "x-upsert": "false" })).toBe(400);
    expect(await send("DELETE", headers)).toBe(200);
  });

  it("takes nothing from anybody else", async () => {
    for (
      const headers of [
        {},
        { apikey: stack().anonKey },
        { apikey: stack().publishableKey },
        { authorization: `Bearer ${await userJwt(owner.id)}` },
        { authorization: "Bearer nonsense" },
      ]
    ) {
      expect(await send("POST", headers)).toBe(400);
      expect(await send("GET", headers)).toBe(400);
    }
  });
});

function service(): CallOptions {
  return { key: stack().secretKey };
}

function ask(body: object, options: CallOptions = service()) {
  return callFunction("generate-upload-url", { task_id, ...body }, options);
}

async function urlFor(body: object): Promise<UploadUrlReply> {
  return expectOk(await ask(body), UploadUrlReply);
}
