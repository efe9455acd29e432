import { describe, expect, test } from "vitest";
import { ApiError } from "../_shared/api-error.ts";
import {
  completed,
  createFileWorld,
  type FileWorldOptions,
  FOLDER,
  storageRefusal,
  target,
} from "../_test/fake-storage.ts";
import {
  KEYS,
  outcome,
  post,
  SUPABASE_URL,
  TASK_ID,
  USER_ID,
} from "../_test/fakes.ts";
import { createHandler } from "./handler.ts";

const PUBLIC = `${SUPABASE_URL}/storage/v1/object/public/image_uploads`;
const SENT = {
  task_id: TASK_ID,
  file_data: btoa("a video"),
  filename: "out.mp4",
  first_frame_data: btoa("a picture"),
  first_frame_filename: "thumb_0f8fad5b.jpg",
};
const PUT_FILE = `POST object/image_uploads/${FOLDER}/out.mp4`;
const PUT_THUMBNAIL =
  `POST object/image_uploads/${FOLDER}/thumbnails/thumb_0f8fad5b.jpg`;
const TIDY = "DELETE object/image_uploads";

/** Sends a body into a world; what it answered and what it did. */
async function run(
  body: unknown,
  options: FileWorldOptions = {},
  headers?: Record<string, string>,
) {
  const world = createFileWorld(options);
  const result = await outcome(
    createHandler(world.deps),
    headers ? post(body, headers) : post(body),
  );
  const rpcs = world.rpcCalls.map((call) => call.name);
  const completion = world.rpcCalls.find((call) =>
    call.name === "complete_task"
  );
  return { ...world, result, rpcs, completed: completion?.args };
}

const refuses = (code: "TASK_NOT_FOUND" | "LEASE_LOST" | "UNAVAILABLE") =>
  new ApiError(code, "As the database says");

describe("complete-task with the file in its body", () => {
  test("stores the file and its thumbnail, then completes", async () => {
    const { result, rpcs, storage, storageLines, completed } = await run(SENT);
    expect(result).toBe("200");
    expect(rpcs).toEqual(["upload_target", "complete_task"]);
    expect(storageLines()).toEqual([PUT_FILE, PUT_THUMBNAIL]);
    expect(storage.map((request) => request.body))
      .toEqual(["a video", "a picture"]);
    expect(storage.map(({ headers }) => headers.get("content-type")))
      .toEqual(["video/mp4", "image/jpeg"]);
    expect(storage.map(({ headers }) => headers.get("x-upsert")))
      .toEqual(["true", "true"]);
    expect(storage[0]?.headers.get("apikey")).toBe(KEYS.secret);
    expect(completed).toMatchObject({
      p_output_location: `${PUBLIC}/${FOLDER}/out.mp4`,
      p_thumbnail_url: `${PUBLIC}/${FOLDER}/thumbnails/thumb_0f8fad5b.jpg`,
    });
  });

  test("gives out URLs of the public address", async () => {
    const { completed } = await run(SENT, { publicUrl: "https://cdn.example" });
    expect(completed?.["p_output_location"])
      .toMatch(/^https:\/\/cdn\.example\/storage\/v1\/object\/public\//);
  });

  test.each(["Complete", "Failed", "Cancelled", "Queued"])(
    "stores nothing for a task that is %s, and lets the database answer",
    async (status) => {
      const { result, rpcs, storage, completed } = await run(SENT, {
        rpc: { upload_target: () => target(status, false) },
      });
      expect(result).toBe("200");
      expect(rpcs).toEqual(["upload_target", "complete_task"]);
      expect(completed?.["p_output_location"]).toBeUndefined();
      expect(storage).toEqual([]);
    },
  );

  test.each(["TASK_NOT_FOUND", "LEASE_LOST", "UNAVAILABLE"] as const)(
    "stores nothing when the database answers %s at once",
    async (code) => {
      const { result, storage } = await run(SENT, {
        rpc: { upload_target: () => refuses(code) },
      });
      expect(result).toContain(code);
      expect(storage).toEqual([]);
    },
  );

  test("sets the files of a later start apart", async () => {
    const { storageLines } = await run(SENT, {
      rpc: { upload_target: () => target("In Progress", true, 2) },
    });
    expect(storageLines()).toEqual([
      `POST object/image_uploads/${FOLDER}/attempt2_out.mp4`,
      `POST object/image_uploads/${FOLDER}/thumbnails/attempt2_thumb_0f8fad5b.jpg`,
    ]);
  });

  test.each(["TASK_NOT_FOUND", "LEASE_LOST"] as const)(
    "removes the files of a completion that was refused: %s",
    async (code) => {
      const { result, storage, storageLines } = await run(SENT, {
        rpc: { complete_task: () => refuses(code) },
      });
      expect(result).toContain(code);
      expect(storageLines()).toEqual([PUT_FILE, PUT_THUMBNAIL, TIDY]);
      expect(JSON.parse(storage[2]?.body ?? "")).toEqual({
        prefixes: [
          `${FOLDER}/out.mp4`,
          `${FOLDER}/thumbnails/thumb_0f8fad5b.jpg`,
        ],
      });
    },
  );

  test.each([
    ["it did not answer", refuses("UNAVAILABLE"), "503 UNAVAILABLE"],
    ["it failed", new Error("canary"), "500 INTERNAL"],
  ])(
    "leaves the files when the outcome is unknown: %s",
    async (_why, error, expected) => {
      const { result, storageLines } = await run(SENT, {
        rpc: { complete_task: () => error },
      });
      expect(result).toBe(expected);
      expect(storageLines()).toEqual([PUT_FILE, PUT_THUMBNAIL]);
    },
  );

  test("removes what the stored result does not use", async () => {
    const { result, storage } = await run(SENT, {
      rpc: {
        complete_task: () =>
          completed({ p_output_location: `${PUBLIC}/${FOLDER}/first.mp4` }),
      },
    });
    expect(result).toBe("200");
    expect(JSON.parse(storage[2]?.body ?? "").prefixes).toHaveLength(2);
  });

  test("keeps the file that an earlier completion of the same name stored", async () => {
    const { storageLines } = await run({ ...SENT, first_frame_data: null }, {
      rpc: {
        complete_task: () =>
          completed({ p_output_location: `${PUBLIC}/${FOLDER}/out.mp4` }),
      },
    });
    expect(storageLines()).toEqual([PUT_FILE]);
  });

  test("answers the same when tidying up fails", async () => {
    const { result } = await run(SENT, {
      rpc: { complete_task: () => refuses("TASK_NOT_FOUND") },
      storage: ({ method }) =>
        method === "DELETE" ? storageRefusal(500, "InternalError") : undefined,
    });
    expect(result).toBe("404 TASK_NOT_FOUND");
  });

  test.each([
    ["cannot be reached", new Error("ECONNREFUSED"), "503 UNAVAILABLE"],
    ["is down", new Response("<html>", { status: 502 }), "503 UNAVAILABLE"],
    ["is locked", storageRefusal(423, "ResourceLocked"), "503 UNAVAILABLE"],
    ["is slow", storageRefusal(544, "DatabaseTimeout"), "503 UNAVAILABLE"],
    ["is full", storageRefusal(413, "EntityTooLarge"), "413 BODY_TOO_LARGE"],
    ["has no bucket", storageRefusal(404, "NoSuchBucket"), "500 INTERNAL"],
    ["refuses us", storageRefusal(403, "AccessDenied"), "500 INTERNAL"],
  ])(
    "does not complete when the storage %s",
    async (_why, answer, expected) => {
      const { result, rpcs, lines } = await run(SENT, {
        storage: () => answer instanceof Error ? answer : answer.clone(),
      });
      expect(result).toBe(expected);
      expect(rpcs).toEqual(["upload_target"]);
      expect(lines.join()).not.toContain("sb_secret");
    },
  );

  test("completes without a thumbnail that could not be stored", async () => {
    const { result, completed, lines } = await run(SENT, {
      storage: ({ path }) =>
        path.includes("thumbnails") ? new Error("reset") : undefined,
    });
    expect(result).toBe("200");
    expect(completed?.["p_thumbnail_url"]).toBeUndefined();
    expect(lines.join()).toContain('"thumbnail":"not stored"');
  });

  test.each([
    { first_frame_data: "not base64!" },
    { first_frame_filename: "thumb.exe" },
    { first_frame_data: 7 },
  ])("completes without a thumbnail that is none: %j", async (change) => {
    const { result, storageLines } = await run({ ...SENT, ...change });
    expect(result).toBe("200");
    expect(storageLines()).toEqual([PUT_FILE]);
  });

  test.each([
    { file_data: "" },
    { file_data: "not base64!" },
    { file_data: "YQ" },
    { file_data: 7 },
    { filename: null },
    { filename: "" },
    { filename: "out" },
    { filename: "out.exe" },
    { filename: "out.svg" },
    { filename: "out.html" },
  ])("answers 400 to %j and stores nothing", async (change) => {
    const { result, storage, rpcCalls } = await run({ ...SENT, ...change });
    expect(result).toBe("400 INVALID_BODY");
    expect(storage).toEqual([]);
    expect(rpcCalls).toEqual([]);
  });

  test.each([
    "../../../../other-user/tasks/x/out.mp4",
    "..\\..\\out.mp4",
    "/etc/passwd/.mp4",
    "%2e%2e%2fout.mp4",
    "\u202egpj.mp4",
    `${"x".repeat(900)}.mp4`,
  ])("stores %j in the task's folder", async (filename) => {
    const { result, storageLines } = await run({ ...SENT, filename });
    expect(result).toBe("200");
    expect(storageLines()[0]).toMatch(
      new RegExp(
        `^POST object/image_uploads/${FOLDER}/[A-Za-z0-9][A-Za-z0-9._-]{0,110}\\.mp4$`,
      ),
    );
  });
});

describe("complete-task with a storage path", () => {
  const OWN = `${FOLDER}/out.mp4`;
  const THUMBNAIL = `${FOLDER}/thumbnails/thumb_out.jpg`;
  const token = { authorization: `Bearer ${KEYS.token}` };

  test("takes files of the task's folder that are there", async () => {
    const { result, storageLines, completed } = await run({
      task_id: TASK_ID,
      storage_path: OWN,
      thumbnail_storage_path: THUMBNAIL,
    });
    expect(result).toBe("200");
    expect(storageLines()).toEqual([
      `GET object/info/image_uploads/${OWN}`,
      `GET object/info/image_uploads/${THUMBNAIL}`,
    ]);
    expect(completed).toMatchObject({
      p_output_location: `${PUBLIC}/${OWN}`,
      p_thumbnail_url: `${PUBLIC}/${THUMBNAIL}`,
    });
  });

  test("refuses a file that is not there", async () => {
    const { result, rpcs } = await run(
      { task_id: TASK_ID, storage_path: OWN },
      {
        storage: () => storageRefusal(404, "NoSuchKey"),
      },
    );
    expect(result).toBe("409 FILE_NOT_FOUND");
    expect(rpcs).toEqual(["upload_target"]);
  });

  test("leaves out a thumbnail that is not there", async () => {
    const body = {
      task_id: TASK_ID,
      storage_path: OWN,
      thumbnail_storage_path: THUMBNAIL,
    };
    const { result, completed } = await run(body, {
      storage: ({ path }) =>
        path.endsWith(".jpg") ? storageRefusal(404, "NoSuchKey") : undefined,
    });
    expect(result).toBe("200");
    expect(completed?.["p_thumbnail_url"]).toBeUndefined();
  });

  test.each([
    new Error("ECONNREFUSED"),
    storageRefusal(500, "InternalError"),
    storageRefusal(404, "NoSuchBucket"),
  ])("completes when nobody can look for the file", async (answer) => {
    const { result, completed, lines } = await run(
      { task_id: TASK_ID, storage_path: OWN },
      { storage: () => answer },
    );
    expect(result).toBe("200");
    expect(completed?.["p_output_location"]).toBe(`${PUBLIC}/${OWN}`);
    expect(lines.join()).toContain('"storage":"unchecked"');
  });

  test("does not look for it when the task has ended", async () => {
    const { result, storage } = await run(
      { task_id: TASK_ID, storage_path: OWN },
      { rpc: { upload_target: () => target("Complete", false) } },
    );
    expect(result).toBe("200");
    expect(storage).toEqual([]);
  });

  test.each([
    `${USER_ID}/tasks/11111111-2222-4333-8444-000000000000/child.mp4`,
    `${USER_ID}/uploaded before.png`,
  ])("refers to another file of the owner: %s", async (storage_path) => {
    for (const headers of [undefined, token]) {
      const { result, storage, completed } = await run(
        { task_id: TASK_ID, storage_path },
        {},
        headers,
      );
      expect(result).toBe("200");
      expect(storage).toEqual([]);
      expect(completed?.["p_output_location"])
        .toBe(`${PUBLIC}/${storage_path}`);
    }
  });

  test.each([
    { storage_path: "task_outputs/composite.jpg" },
    { storage_path: OWN, thumbnail_storage_path: "someone-else/t.jpg" },
    { storage_path: `${USER_ID}x/out.mp4` },
  ])(
    "is for service keys only outside of the owner's folder: %j",
    async (paths) => {
      const body = { task_id: TASK_ID, ...paths };
      expect((await run(body)).result).toBe("200");
      const { result, rpcs } = await run(body, {}, token);
      expect(result).toBe("403 FORBIDDEN");
      expect(rpcs).toEqual(["upload_target"]);
    },
  );
});
