import { beforeEach, describe, expect, it } from "vitest";
import { ErrorBody } from "../../shared/error-codes.ts";
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
import { type Backend, createBackend, type FunctionName } from "./backend.ts";
import { FILES } from "./client.ts";
import type { Fault } from "./faults.ts";

// What a worker with files is told at once, try by try, and what is stored then.
const LOST: readonly Fault[] = ["refused", "down", "reply lost"];
const TARGET = "POST /rest/v1/rpc/upload_target";
const COMPLETE = "POST /rest/v1/rpc/complete_task";

let backend: Backend;
let task_id: string;
let folder: string;

beforeEach(async () => {
  await reset();
  backend = createBackend();
  const owner = await createOwner();
  task_id = await createTask(owner);
  await startTask(task_id);
  folder = `${owner.id}/tasks/${task_id}`;
});

describe.each([
  ["whose task is not looked up", 1],
  ["whose file is not stored", 2],
  ["that is not recorded", 4],
])("a completion with its file in the body %s", (_what, call) => {
  it.each(LOST)(
    "is answered 503 when that is %s, and repeated",
    async (fault) => {
      strike("complete-task", call, fault);
      expect(await send("complete-task", FILES)).toBe("503 UNAVAILABLE");
      expect(await readTask(task_id)).toMatchObject(
        call === 4 && fault === "reply lost"
          ? { status: "Complete" }
          : { status: "In Progress" },
      );
      if (call === 1) expect(await filesBelow(folder)).toEqual([]);

      backend.plan = undefined;
      expect(await send("complete-task", FILES)).toBe("200");
      // What is complete is uploaded no more.
      if (call === 4 && fault === "reply lost") {
        expect(backend.calls.get("complete-task")).toEqual([TARGET, COMPLETE]);
      }
      const url = publicUrl(fileIn(folder, "out.mp4"));
      expect(await readTask(task_id))
        .toMatchObject({ status: "Complete", output_location: url });
      expect((await getFile(url)).bytes).toBe("a video");
      expect(await filesBelow(folder))
        .toEqual([fileIn(folder, "out.mp4"), thumbnailIn(folder, "thumb.jpg")]);
    },
  );
});

it("a completion goes without its thumbnail when only that cannot be stored", async () => {
  strike("complete-task", 3, "refused");
  backend.plan = { ...backend.plan!, path: "/thumbnails/" };
  expect(await send("complete-task", FILES)).toBe("200");
  expect(await readTask(task_id))
    .toMatchObject({ status: "Complete", thumbnail_url: null });
});

it("a completion by path does not need the storage", async () => {
  strike("complete-task", 2, "refused");
  const storage_path = fileIn(folder, "out.mp4");
  expect(await send("complete-task", { storage_path })).toBe("200");
  expect(await readTask(task_id))
    .toMatchObject({ output_location: publicUrl(storage_path) });
});

it.each(LOST)("no upload is signed while the storage is %s", async (fault) => {
  const body = { filename: "out.mp4", generate_thumbnail_url: true };
  strike("generate-upload-url", 2, fault);
  expect(await send("generate-upload-url", body)).toBe("503 UNAVAILABLE");
  backend.plan = undefined;
  expect(await send("generate-upload-url", body)).toBe("200");
});

function strike(struck: FunctionName, call: number, fault: Fault): void {
  backend.plan = { struck, call, fault, requests: Infinity };
}

/** Sends a body; the status, and the code of a refusal. */
async function send(name: FunctionName, body: object): Promise<string> {
  const response = await backend.send(name, { task_id, ...body });
  if (response.ok) return String(response.status);
  expect(response.headers.get("retry-after")).toBe("1");
  const { code } = ErrorBody.parse(await response.json());
  return `${response.status} ${code}`;
}
