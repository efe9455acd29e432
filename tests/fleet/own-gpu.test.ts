/**
 * GPU machines of users, started with a personal access token: they claim for
 * gpu, and run the image types of the API workers as well. A user whose cloud is
 * switched off has nobody else for these.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { CountsReply } from "../../shared/counts.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { callFunction, type Reply } from "../support/http.ts";
import { expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { createTask, createTasks } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";
import { claimOfApril, claimOfMarch, taskOf } from "./clients/claims.ts";
import { type Answer, Wire } from "./clients/wire.ts";

/** Types of the pool api that the routing of GPU workers knows. */
const IMAGES = [
  ...["qwen_image", "qwen_image_2512", "z_image_turbo", "z_image_turbo_i2i"],
  ...["qwen_image_style", "image_inpaint", "annotated_image_edit"],
  ...["qwen_image_edit", "wan_2_2_t2i"],
];
/** Types that it does not: such a worker would fail them. */
const OTHERS = [
  ...["animate_character", "image_upscale", "image-upscale", "video_enhance"],
  ...["flux_klein_edit", "wan_2_2_i2v"],
  ...["banodoco_timeline_generate", "banodoco_render_timeline"],
];
const CLOUD_OFF = { ui: { generationMethods: { inCloud: false } } };
/** What all machines are called that have no name of their own. */
const MACHINE = "local-worker";

const CLAIMS: readonly (readonly [string, (wire: Wire) => Promise<Answer>])[] =
  [
    ["before 30 March", (wire) => claimOfMarch(wire, MACHINE)],
    ["from 30 March", (wire) => claimOfApril(wire, MACHINE)],
  ];

let owner: Owner;
let token: string;
let wire: Wire;

beforeEach(async () => {
  await reset();
  owner = await createOwner({ credits: 0, settings: CLOUD_OFF });
  token = await createToken(owner);
  wire = new Wire(stack().apiUrl, token);
});

describe.each(CLAIMS)("a user's machine, %s,", (_, claim) => {
  it.each(IMAGES)(
    "is counted and handed %s of a user whose cloud is off, and its result is recorded",
    async (task_type) => {
      const id = await createTask(owner, { task_type });
      const counted = await counts();
      expect(counted.totals.queued_only).toBe(1);
      expect(counted.queued_tasks).toMatchObject([{ task_id: id, task_type }]);

      expect((await claim(wire)).json).toMatchObject({
        task_id: id,
        task_type,
        attempts: 0,
        project_id: owner.projectId,
      });
      expect((await counts()).totals).toMatchObject({
        queued_only: 0,
        active_only: 1,
      });

      const storage_path = await upload(id);
      const done = await edge("complete_task", { task_id: id, storage_path });
      expect(done.status, done.text).toBe(200);
      expect(await readTask(id)).toMatchObject({
        status: "Complete",
        pool: "api",
        attempts: 1,
      });
      const [record] = await admin()<{ type: string; location: string }[]>`
        select type, location from public.generations where task_id = ${id}
      `;
      expect(record?.type).toBe("image");
      expect(record?.location).toContain(storage_path);
      expect(await counterDrift()).toEqual([]);
    },
  );

  it("is handed nothing that a GPU worker fails, and counts nothing of it", async () => {
    for (const task_type of OTHERS) await createTask(owner, { task_type });
    expect((await counts()).totals.queued_only).toBe(0);
    expect((await claim(wire)).status).toBe(204);
  });

  it("serves both in one line: priority, then age", async () => {
    const tasks = [];
    for (
      const [task_type, priority] of [
        ["travel_segment", 0],
        ["qwen_image", 0],
        ["travel_segment", 1],
        ["z_image_turbo", 1],
        ["z_image_turbo", 2],
      ] as const
    ) tasks.push(await createTask(owner, { task_type, priority }));
    const [a, b, c, d, e] = tasks;
    const line = [e, c, d, a, b];
    const { queued_tasks } = await counts();
    expect(queued_tasks.map(({ task_id }) => task_id)).toEqual(line);
    for (const id of line) expect(taskOf(await claim(wire))).toBe(id);
  });
});

describe("a user's machine with an image", () => {
  it("keeps its owner's limit, over both pools", async () => {
    await createTasks(owner, 3);
    await createTasks(owner, 4, { task_type: "qwen_image" });
    for (let task = 0; task < 5; task++) {
      expect((await claimOfApril(wire, MACHINE)).status).toBe(200);
    }
    expect((await claimOfApril(wire, MACHINE)).status).toBe(204);
    expect((await counts()).totals).toMatchObject({
      queued_only: 0,
      active_only: 5,
      blocked_by_capacity: 2,
    });
  });

  it("gets it back under its own name when it never heard of it, as the same start", async () => {
    const id = await createTask(owner, { task_type: "qwen_image" });
    await createTask(owner, { task_type: "qwen_image" });
    expect(taskOf(await claimOfApril(wire, "my-pc"))).toBe(id);
    expect(taskOf(await claimOfApril(wire, "my-pc"))).toBe(id);
    expect(await readTask(id)).toMatchObject({ attempts: 1 });
  });

  it("reports on it, hands it back by a counted retry, and beats for it", async () => {
    const id = await createTask(owner, { task_type: "z_image_turbo" });
    await claimOfApril(wire, "my-pc");
    const goes = { task_id: id, status: "In Progress", output_location: "10%" };
    expect((await edge("update-task-status", goes)).status).toBe(200);
    const beat = { worker_id: "my-pc", current_task_id: id };
    expect((await edge("beat", beat)).json).toMatchObject({ stop: [] });
    expect(await readTask(id)).toMatchObject({ is_beaten_for: true });
    const failed = await edge("update-task-status", {
      task_id: id,
      status: "Queued",
      attempts: 1,
      error_details: "Retry 1 (generation_no_output): No output generated",
      clear_worker: true,
    });
    expect(failed.status, failed.text).toBe(200);
    expect((await claimOfApril(wire, "my-pc")).json).toMatchObject({
      task_id: id,
      attempts: 1,
    });
    await edge("beat", { worker_id: "my-pc", status: "terminated" });
    expect(await readTask(id)).toMatchObject({ status: "Queued", attempts: 1 });
  });

  it("leaves it to whoever is first where the cloud is on", async () => {
    const other = await createOwner();
    const mine = new Wire(stack().apiUrl, await createToken(other));
    const first = await createTask(other, { task_type: "qwen_image" });
    const second = await createTask(other, { task_type: "qwen_image" });
    const fleet = await callFunction("claim-next-task", {
      worker_id: "api-worker-main",
      run_type: "api",
    }, { key: stack().serviceRoleKey });
    expect(fleet.json).toMatchObject({ task_id: first });
    expect(taskOf(await claimOfApril(mine, MACHINE))).toBe(second);
    expect((await claimOfApril(mine, MACHINE)).status).toBe(204);
  });
});

describe("a GPU worker of the fleet", () => {
  it("is handed no image of the API workers, and counts none", async () => {
    await createTask(await createOwner(), { task_type: "qwen_image" });
    const fleet = new Wire(stack().apiUrl);
    expect((await claimOfApril(fleet, "gpu-1")).status).toBe(204);
    const reply = await callFunction("task-counts", { run_type: "gpu" }, {
      key: stack().serviceRoleKey,
    });
    expect(reply.json).toMatchObject({ totals: { queued_only: 0 } });
  });
});

/** What such a machine asks before each claim. */
async function counts(): Promise<CountsReply> {
  const body = { run_type: "gpu", include_active: true };
  return expectOk(await edge("task-counts", body), CountsReply);
}

/** Stores a picture as workers do; its path. */
async function upload(task_id: string): Promise<string> {
  const asked = await edge("generate-upload-url", {
    task_id,
    filename: "picture.png",
    content_type: "image/png",
  });
  expect(asked.status, asked.text).toBe(200);
  const { upload_url, storage_path } = asked.json as Record<string, string>;
  const put = await fetch(upload_url ?? "", {
    method: "PUT",
    headers: { "Content-Type": "image/png" },
    body: new Uint8Array([1, 2, 3]),
  });
  expect(put.status).toBe(200);
  return storage_path ?? "";
}

function edge(name: string, body: object): Promise<Reply> {
  return callFunction(name, body, { key: token });
}
