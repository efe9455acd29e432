import { describe, expect, test } from "vitest";
import { UploadTarget, UploadUrlReply } from "../../../../shared/upload-url.ts";
import {
  createFileWorld,
  type FileWorldOptions,
  FOLDER,
  pathOf,
  storageRefusal,
  target,
  thumbnailOf,
} from "../_test/fake-storage.ts";
import { KEYS, outcome, post, SUPABASE_URL, TASK_ID } from "../_test/fakes.ts";
import { createFilePaths } from "../files/storage-path.ts";
import { ApiError } from "../frame/api-error.ts";
import { generateUploadUrl } from "./generate-upload-url.ts";

const BODY = {
  task_id: TASK_ID,
  filename: "out.mp4",
  content_type: "video/mp4",
};
const SIGN = `${SUPABASE_URL}/storage/v1/object/upload/sign/image_uploads`;

async function ask(body: unknown, options: FileWorldOptions = {}) {
  const world = createFileWorld(options);
  const response = await generateUploadUrl(world.deps)(post(body));
  expect(response.status).toBe(200);
  const json: unknown = await response.json();
  return { ...world, json, reply: UploadUrlReply.parse(json) };
}

async function refusal(body: unknown, options: FileWorldOptions = {}) {
  const world = createFileWorld(options);
  const result = await outcome(generateUploadUrl(world.deps), post(body));
  return { ...world, result };
}

describe("generate-upload-url", () => {
  test("signs a URL in the task's folder that may be used again", async () => {
    const { reply, json, storage, rpcCalls } = await ask({
      ...BODY,
      lease_token: TASK_ID,
    });
    expect(reply).toMatchObject({
      upload_url: `${SIGN}/${pathOf("out.mp4")}?token=${reply.token}`,
      storage_path: pathOf("out.mp4"),
      public_url: `${SUPABASE_URL}/storage/v1/object/public/image_uploads/${
        pathOf("out.mp4")
      }`,
      expires_at: "2027-01-15T08:00:00.000Z",
    });
    expect(json).not.toHaveProperty("thumbnail_upload_url");
    expect(storage.map(({ method, path }) => `${method} ${path}`))
      .toEqual([`POST object/upload/sign/image_uploads/${pathOf("out.mp4")}`]);
    expect(storage[0]?.headers.get("x-upsert")).toBe("true");
    expect(storage[0]?.headers.get("apikey")).toBe(KEYS.secret);
    expect(rpcCalls).toMatchObject([{
      name: "upload_target",
      args: { p_task_id: TASK_ID, p_lease_token: TASK_ID },
    }]);
  });

  test("signs one for the thumbnail as well", async () => {
    const { reply } = await ask({ ...BODY, generate_thumbnail_url: true });
    const path = thumbnailOf("thumb_out.jpg");
    expect(reply).toMatchObject({
      thumbnail_storage_path: path,
      thumbnail_upload_url: `${SIGN}/${path}?token=${reply.thumbnail_token}`,
    });
  });

  test("names the same file again, and no other task, start or project the same", async () => {
    const named = async (options?: FileWorldOptions) =>
      (await ask(BODY, options)).reply.storage_path.split("/").at(-1) ?? "";
    const first = await named();
    expect(first).toMatch(/^[0-9a-f]{32}-out\.mp4$/);
    expect(await named()).toBe(first);
    const second = await named({
      rpc: { upload_target: () => target("In Progress", true, 2) },
    });
    const other = await named({
      rpc: {
        upload_target: () => target().replaceAll(TASK_ID, crypto.randomUUID()),
      },
    });
    expect(new Set([first, second, other]).size).toBe(3);
    expect(
      createFilePaths("another key").file(
        UploadTarget.parse(JSON.parse(target())),
        "out.mp4",
      ),
    ).not.toContain(first);
  });

  test("gives out URLs of the public address", async () => {
    const { reply } = await ask(BODY, { publicUrl: "https://cdn.example" });
    expect(reply.upload_url).toMatch(/^https:\/\/cdn\.example\/storage\/v1\//);
    expect(reply.public_url).toMatch(/^https:\/\/cdn\.example\/storage\/v1\//);
  });

  test("gives tasks without an owner a folder of their own", async () => {
    const { reply } = await ask(BODY, {
      rpc: {
        upload_target: () =>
          target().replace(/"user_id":"[^"]+"/, '"user_id":null'),
      },
    });
    expect(reply.storage_path).toMatch(/^0{8}-0{4}-0{4}-0{4}-0{12}\/tasks\//);
  });

  test.each([
    ["../../x/out.mp4", "video/mp4"],
    ["out", "video/mp4"],
    ["OUT.JPG", undefined],
    ["vlm_debug_pair0_LEFT.jpg", "image/jpg"],
    ["clip.mkv", "application/octet-stream; charset=binary"],
  ])(
    "keeps %j of type %j in the task's folder",
    async (filename, content_type) => {
      const { storage } = await ask({ ...BODY, filename, content_type });
      expect(storage[0]?.path).toMatch(
        new RegExp(`^object/upload/sign/image_uploads/${FOLDER}/[\\w.-]+$`),
      );
    },
  );

  test.each([
    { task_id: "unknown_task_1767225600" },
    { filename: "" },
    { filename: "page.html", content_type: undefined },
    { filename: "vector.svg", content_type: "image/svg+xml" },
    { filename: "out.mp4.tmp", content_type: "application/octet-stream" },
    { content_type: "text/html" },
    { generate_thumbnail_url: "yes" },
  ])("answers 400 to %j", async (change) => {
    const { result, rpcCalls } = await refusal({ ...BODY, ...change });
    expect(result).toBe("400 INVALID_BODY");
    expect(rpcCalls).toEqual([]);
  });

  test.each(["Queued", "Complete", "Failed", "Cancelled"])(
    "answers 409 for a task that is %s",
    async (status) => {
      const { result, storage } = await refusal(BODY, {
        rpc: { upload_target: () => target(status, false) },
      });
      expect(result).toBe("409 ILLEGAL_TRANSITION");
      expect(storage).toEqual([]);
    },
  );

  test("signs nothing for a stranger", async () => {
    const { result, storage } = await refusal(BODY, {
      rpc: {
        upload_target: () => new ApiError("TASK_NOT_FOUND", "There is no task"),
      },
    });
    expect(result).toBe("404 TASK_NOT_FOUND");
    expect(storage).toEqual([]);
  });

  test.each([
    [new Error("ECONNREFUSED"), "503 UNAVAILABLE"],
    [storageRefusal(500, "InternalError"), "503 UNAVAILABLE"],
    [storageRefusal(404, "NoSuchBucket"), "500 INTERNAL"],
    [Response.json({ url: "/no-token" }), "503 UNAVAILABLE"],
  ])("answers for a storage that fails", async (answer, expected) => {
    const { result } = await refusal(BODY, { storage: () => answer });
    expect(result).toBe(expected);
  });
});
