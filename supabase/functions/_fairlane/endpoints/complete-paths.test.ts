import { describe, expect, test } from "vitest";
import { run } from "../_test/complete-in-world.ts";
import { FOLDER, storageRefusal, target } from "../_test/fake-storage.ts";
import { KEYS, SUPABASE_URL, TASK_ID, USER_ID } from "../_test/fakes.ts";

const PUBLIC = `${SUPABASE_URL}/storage/v1/object/public/image_uploads`;

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

  test("takes no empty file for a result, and says nothing of it to the database", async () => {
    const { result, rpcs } = await run(
      { task_id: TASK_ID, storage_path: OWN },
      { storage: () => Response.json({ id: "1", size: 0 }) },
    );
    expect(result).toBe("409 FILE_EMPTY");
    expect(rpcs).toEqual(["upload_target"]);
  });

  test.each([
    ["as it is", OWN],
    ["with a query", `${OWN}?download=1`],
    ["encoded", OWN.replace("out.mp4", "%6Fut.mp4")],
  ])("takes its URL for no result either, %s", async (_how, file) => {
    const { result, rpcs } = await run(
      { task_id: TASK_ID, output_location: `${PUBLIC}/${file}` },
      { storage: () => Response.json({ id: "1", size: 0 }) },
    );
    expect(result).toBe("409 FILE_EMPTY");
    expect(rpcs).toEqual(["upload_target"]);
  });

  test.each([
    ["a file that is not there", `${PUBLIC}/${OWN}`, true],
    [
      "a file of another task",
      `${PUBLIC}/${USER_ID}/tasks/other/out.mp4`,
      false,
    ],
    ["a foreign URL", `https://files.test/${OWN}`, false],
    ["a text", "done", false],
  ])("takes as it always did %s", async (_what, location, isAsked) => {
    const { result, storageLines } = await run(
      { task_id: TASK_ID, output_location: location },
      { storage: () => storageRefusal(404, "NoSuchKey") },
    );
    expect(result).toBe("200");
    expect(storageLines().length).toBe(isAsked ? 1 : 0);
  });

  test("takes the name that Storage itself gives the file", async () => {
    const { result, storageLines, completed } = await run({
      task_id: TASK_ID,
      storage_path: `image_uploads/${OWN}`,
      thumbnail_storage_path: `image_uploads/${THUMBNAIL}`,
    });
    expect(result).toBe("200");
    expect(storageLines()[0]).toBe(`GET object/info/image_uploads/${OWN}`);
    expect(completed).toMatchObject({
      p_output_location: `${PUBLIC}/${OWN}`,
      p_thumbnail_url: `${PUBLIC}/${THUMBNAIL}`,
    });
  });

  test.each([
    ["what? now#1.mp4", "what%3F now%231.mp4"],
    ["100%.mp4", "100%25.mp4"],
    ["a%3Fb.mp4", "a%3Fb.mp4"],
  ])(
    "makes a URL of %s that a browser reads as one path",
    async (name, inUrl) => {
      const { completed } = await run({
        task_id: TASK_ID,
        storage_path: `${USER_ID}/${name}`,
      });
      expect(completed?.["p_output_location"])
        .toBe(`${PUBLIC}/${USER_ID}/${inUrl}`);
    },
  );

  test.each([
    () => storageRefusal(404, "NoSuchKey"),
    () => Response.json({ id: "1", size: 0 }),
  ])("leaves out a thumbnail that is not there or empty", async (answer) => {
    const body = {
      task_id: TASK_ID,
      storage_path: OWN,
      thumbnail_storage_path: THUMBNAIL,
    };
    const { result, completed } = await run(body, {
      storage: ({ path }) => path.endsWith(".jpg") ? answer() : undefined,
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
