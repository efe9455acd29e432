import { beforeEach, describe, expect, it } from "vitest";
import { CompleteReply } from "../../shared/complete.ts";
import { admin } from "../support/db.ts";
import { callFunction, type CallOptions } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { rest } from "../support/rest.ts";
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
  createToken,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const EXTERNAL = "https://provider.test/external.mp4";

let owner: Owner;
let task_id: string;
let lease_token: string;
let folder: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  ({ task_id, lease_token, folder } = await running());
});

describe("complete_task with the file in its body", () => {
  it("stores file and thumbnail and completes with their URLs", async () => {
    const reply = expectOk(await complete(sent("a video")), CompleteReply);
    expect(reply).toMatchObject({
      status: "Complete",
      public_url: publicUrl(fileIn(folder, "out.mp4")),
      output_location: publicUrl(fileIn(folder, "out.mp4")),
      thumbnail_url: publicUrl(thumbnailIn(folder, thumbnailName())),
      generation_created: true,
    });
    expect(await getFile(reply.public_url ?? "")).toMatchObject({
      status: 200,
      bytes: "a video",
    });
    const thumbnail = await getFile(reply.thumbnail_url ?? "");
    expect(thumbnail.headers.get("content-type")).toBe("image/jpeg");
    expect(thumbnail.bytes).toBe("a picture");
  });

  it("takes megabytes", async () => {
    const video = "v".repeat(2 * 1024 * 1024);
    const reply = expectOk(await complete(sent(video)), CompleteReply);
    expect((await getFile(reply.public_url ?? "")).bytes).toHaveLength(
      video.length,
    );
  });

  it("answers a repeat of the same body alike, storing nothing", async () => {
    const first = await complete(sent("a video"));
    const again = await complete(sent("a video"));
    expect(again.status).toBe(200);
    expect(again.text).toBe(first.text);
    const altered = await complete({ ...sent("another"), filename: "b.mp4" });
    expect(altered.text).toBe(first.text);
    expect(await filesBelow(folder)).toEqual([
      fileIn(folder, "out.mp4"),
      thumbnailIn(folder, thumbnailName()),
    ]);
    expect((await getFile(publicUrl(fileIn(folder, "out.mp4")))).bytes)
      .toBe("a video");
    expect(await generations()).toBe(1);
  });

  it("three times at once: one generation, the same reply", async () => {
    const replies = await Promise.all(
      [1, 2, 3].map(() => complete(sent("a video"))),
    );
    for (const reply of replies) expectOk(reply, CompleteReply);
    expect(new Set(replies.map((reply) => reply.text)).size).toBe(1);
    expect(await filesBelow(folder)).toHaveLength(2);
    expect(await generations()).toBe(1);
  });

  it("at once with another file: the stored result keeps its own", async () => {
    const replies = await Promise.all(
      ["a.mp4", "b.mp4", "c.mp4"].map((name) =>
        complete({ ...sent(name), filename: name, first_frame_data: undefined })
      ),
    );
    const urls = replies.map((reply) =>
      expectOk(reply, CompleteReply).public_url
    );
    expect(new Set(urls).size).toBe(1);
    const [url = ""] = urls;
    const files = await filesBelow(folder);
    expect(files.map(publicUrl)).toEqual([url]);
    expect(url?.endsWith((await getFile(url ?? "")).bytes)).toBe(true);
  });

  it("keeps its result when an orchestrator completes again with a URL", async () => {
    const first = await complete(sent("a video"));
    const second = await complete({ output_location: EXTERNAL });
    expect(second.text).toBe(first.text);
    expect((await readTask(task_id))["output_location"])
      .toBe(publicUrl(fileIn(folder, "out.mp4")));
  });

  it("keeps a URL that came first, and stores no file after it", async () => {
    const first = await complete({ output_location: EXTERNAL });
    const second = await complete(sent("a video"));
    expect(second.text).toBe(first.text);
    expect(await filesBelow(folder)).toEqual([]);
  });

  it.each([
    ["Failed", { status: "Failed", error_message: "by hand" }],
    ["Cancelled", { status: "Cancelled" }],
  ])("stores nothing for a task that is %s", async (status, body) => {
    await rest("PATCH", "tasks", { id: `eq.${task_id}` }, { body });
    const reply = expectOk(await complete(sent("a video")), CompleteReply);
    expect(reply).toMatchObject({ status, public_url: null });
    expectError(
      await complete({ ...sent("a video"), lease_token }),
      "ILLEGAL_TRANSITION",
    );
    expect(await filesBelow(folder)).toEqual([]);
  });

  it("stores nothing for a lease that was lost, nor for a stranger", async () => {
    const stranger = { key: await createToken(await createOwner()) };
    expectError(await complete(sent("a video"), stranger), "TASK_NOT_FOUND");
    const lost = { ...sent("a video"), lease_token: owner.id };
    expectError(await complete(lost), "LEASE_LOST");
    expect(await filesBelow(folder)).toEqual([]);
    expect((await readTask(task_id))["status"]).toBe("In Progress");
  });

  it("is for the owner's token and its lease", async () => {
    const key = await createToken(owner);
    const reply = await complete({ ...sent("a video"), lease_token }, { key });
    expect(expectOk(reply, CompleteReply).public_url)
      .toBe(publicUrl(fileIn(folder, "out.mp4")));
  });

  it.each(["../../../x/out.mp4", "..\\out.mp4", "\u0000/out.mp4"])(
    "keeps %j in the task's folder",
    async (filename) => {
      const reply = await complete({ ...sent("a video"), filename });
      const { public_url } = expectOk(reply, CompleteReply);
      expect(public_url).toMatch(/\/[0-9a-f]{32}-out-[0-9a-f]{8}\.mp4$/);
    },
  );

  it("completes without a thumbnail that is none", async () => {
    const body = { ...sent("a video"), first_frame_data: "%%%" };
    expect(expectOk(await complete(body), CompleteReply).thumbnail_url)
      .toBeNull();
    expect(await filesBelow(folder)).toEqual([fileIn(folder, "out.mp4")]);
  });
});

async function running() {
  const id = await createTask(owner);
  return {
    task_id: id,
    lease_token: await startTask(id),
    folder: `${owner.id}/tasks/${id}`,
  };
}

function thumbnailName(): string {
  return `thumb_${task_id.slice(0, 8)}.jpg`;
}

function sent(video: string) {
  return {
    file_data: btoa(video),
    filename: "out.mp4",
    first_frame_data: btoa("a picture"),
    first_frame_filename: thumbnailName(),
  };
}

function complete(
  body: object,
  options: CallOptions = { key: stack().secretKey },
) {
  return callFunction("complete_task", { task_id, ...body }, options);
}

async function generations(): Promise<number> {
  const [row] = await admin()<{ count: number }[]>`
    select count(*)::integer as count
    from public.generations where task_id = ${task_id}
  `;
  return row?.count ?? 0;
}
