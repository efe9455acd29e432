import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { CompleteReply } from "../../shared/complete.ts";
import { ErrorBody } from "../../shared/error-codes.ts";
import {
  type Fault,
  type FaultyFunction,
  startBehindFaults,
} from "../support/faulty-gateway.ts";
import { stack } from "../support/stack.ts";
import {
  fileIn,
  filesBelow,
  getFile,
  publicUrl,
  thumbnailIn,
} from "../support/storage.ts";
import {
  createOwner,
  createTask,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const COMPLETE = "POST /rest/v1/rpc/complete_task";
const TARGET = "POST /rest/v1/rpc/upload_target";

let complete: FaultyFunction;
let uploadUrl: FaultyFunction;
let task_id: string;
let folder: string;

beforeAll(async () => {
  [complete, uploadUrl] = await Promise.all([
    startBehindFaults("complete-task"),
    startBehindFaults("generate-upload-url"),
  ]);
});

afterAll(async () => {
  await Promise.all([complete.stop(), uploadUrl.stop()]);
});

beforeEach(async () => {
  await reset();
  const owner = await createOwner();
  task_id = await createTask(owner);
  await startTask(task_id);
  folder = `${owner.id}/tasks/${task_id}`;
  for (const behind of [complete, uploadUrl]) {
    behind.fault = () => "none";
    behind.requests.length = 0;
  }
});

describe("a completion with its file in the body", () => {
  it.each<Fault>(["unreachable", "down", "reply lost"])(
    "answers 503 while the storage is %s; the repeat completes",
    async (fault) => {
      complete.fault = (line) => line.includes("/storage/") ? fault : "none";
      expect(await send()).toBe("503 UNAVAILABLE");
      expect((await readTask(task_id))["status"]).toBe("In Progress");
      complete.fault = () => "none";
      expect(await send()).toBe("200");
      await expectOneResult();
    },
  );

  it.each<Fault>(["unreachable", "down", "reply lost"])(
    "answers 503 when the completion is %s; the repeat answers 200",
    async (fault) => {
      complete.fault = (line) => line === COMPLETE ? fault : "none";
      expect(await send()).toBe("503 UNAVAILABLE");
      complete.fault = () => "none";
      complete.requests.length = 0;
      expect(await send()).toBe("200");
      await expectOneResult();
      if (fault === "reply lost") {
        expect(complete.requests).toEqual([TARGET, COMPLETE]); // no upload
      }
    },
  );

  it.each<Fault>(["unreachable", "down", "reply lost"])(
    "stores nothing when the database is %s from the start",
    async (fault) => {
      complete.fault = (line) => line === TARGET ? fault : "none";
      expect(await send()).toBe("503 UNAVAILABLE");
      // More than one where the client's own fetch tries a closed connection
      // again.
      expect(new Set(complete.requests)).toEqual(new Set([TARGET]));
      expect(await filesBelow(folder)).toEqual([]);
      complete.fault = () => "none";
      expect(await send()).toBe("200");
      await expectOneResult();
    },
  );

  it("completes without its thumbnail when only that cannot be stored", async () => {
    complete.fault = (line) =>
      line.includes("/thumbnails/") ? "unreachable" : "none";
    expect(await send()).toBe("200");
    expect(await readTask(task_id)).toMatchObject({
      status: "Complete",
      thumbnail_url: null,
    });
  });
});

describe("a completion by path", () => {
  it("does not need the storage", async () => {
    complete.fault = (line) =>
      line.includes("/storage/") ? "unreachable" : "none";
    const body = { storage_path: fileIn(folder, "out.mp4") };
    expect(await send(body)).toBe("200");
    expect((await readTask(task_id))["output_location"])
      .toBe(publicUrl(body.storage_path));
  });
});

describe("generate-upload-url", () => {
  it.each<Fault>(["unreachable", "down", "reply lost"])(
    "answers 503 while the storage is %s",
    async (fault) => {
      uploadUrl.fault = (line) => line.includes("/storage/") ? fault : "none";
      const body = { filename: "out.mp4", generate_thumbnail_url: true };
      expect(await send(body, uploadUrl)).toBe("503 UNAVAILABLE");
      uploadUrl.fault = () => "none";
      expect(await send(body, uploadUrl)).toBe("200");
    },
  );
});

const FILES = {
  file_data: btoa("a video"),
  filename: "out.mp4",
  first_frame_data: btoa("a picture"),
  first_frame_filename: "thumb.jpg",
};

/** Sends a body; the status, and the code of a refusal. */
async function send(
  body: object = FILES,
  to: FaultyFunction = complete,
): Promise<string> {
  const response = await fetch(to.url, {
    method: "POST",
    headers: { authorization: `Bearer ${stack().secretKey}` },
    body: JSON.stringify({ task_id, ...body }),
  });
  const json: unknown = await response.json();
  if (response.ok) {
    if (to === complete) CompleteReply.parse(json);
    return String(response.status);
  }
  if (response.status === 503) {
    expect(response.headers.get("retry-after")).toBe("1");
  }
  return `${response.status} ${ErrorBody.parse(json).code}`;
}

async function expectOneResult(): Promise<void> {
  const url = publicUrl(fileIn(folder, "out.mp4"));
  expect(await readTask(task_id)).toMatchObject({
    status: "Complete",
    output_location: url,
  });
  expect((await getFile(url)).bytes).toBe("a video");
  expect(await filesBelow(folder))
    .toEqual([fileIn(folder, "out.mp4"), thumbnailIn(folder, "thumb.jpg")]);
}
