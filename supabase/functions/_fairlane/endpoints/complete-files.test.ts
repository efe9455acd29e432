import { describe, expect, test } from "vitest";
import { run } from "../_test/complete-in-world.ts";
import {
  completed,
  FOLDER,
  pathOf,
  storageRefusal,
  target,
  thumbnailOf,
} from "../_test/fake-storage.ts";
import { KEYS, SUPABASE_URL, TASK_ID } from "../_test/fakes.ts";
import { ApiError } from "../frame/api-error.ts";

const PUBLIC = `${SUPABASE_URL}/storage/v1/object/public/image_uploads`;
const SENT = {
  task_id: TASK_ID,
  file_data: btoa("a video"),
  filename: "out.mp4",
  first_frame_data: btoa("a picture"),
  first_frame_filename: "thumb_0f8fad5b.jpg",
};
const PUT_FILE = `POST object/image_uploads/${pathOf("out.mp4")}`;
const PUT_THUMBNAIL = `POST object/image_uploads/${
  thumbnailOf("thumb_0f8fad5b.jpg")
}`;
const TIDY = "DELETE object/image_uploads";

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
      p_output_location: `${PUBLIC}/${pathOf("out.mp4")}`,
      p_thumbnail_url: `${PUBLIC}/${thumbnailOf("thumb_0f8fad5b.jpg")}`,
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
      `POST object/image_uploads/${pathOf("out.mp4", 2)}`,
      `POST object/image_uploads/${thumbnailOf("thumb_0f8fad5b.jpg", 2)}`,
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
          pathOf("out.mp4"),
          thumbnailOf("thumb_0f8fad5b.jpg"),
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
          completed({ p_output_location: `${PUBLIC}/${pathOf("out.mp4")}` }),
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
        `^POST object/image_uploads/${FOLDER}/[A-Za-z0-9][A-Za-z0-9._-]{0,143}\\.mp4$`,
      ),
    );
  });
});
