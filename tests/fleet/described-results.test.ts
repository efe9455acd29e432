/**
 * Joins that make a transition only hand in a file and a JSON text that says how
 * it is to be cut: in two calls from 21 January, in one from 18 March. The stitch
 * reads the text, the app shows the file (docs/fleet.md).
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";
import { type LossyNetwork, startNetwork } from "./clients/lossy-network.ts";
import {
  completeFile,
  completeSinceMarch,
  describeFile,
  transition,
  upload,
} from "./clients/transition.ts";
import { Wire } from "./clients/wire.ts";

const W = "gpu-20260411_101010-dddd0002";

let owner: Owner;
let orchestrator: string;
let join: string;
let stitch: string;
let wire: Wire;
let path: string;
let url: string;
let text: string;
let network: LossyNetwork | undefined;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  orchestrator = await createTask(owner, {
    task_type: "join_clips_orchestrator",
  });
  const params = { orchestrator_task_id_ref: orchestrator };
  join = await createTask(owner, {
    task_type: "join_clips_segment",
    params: { ...params, join_index: 0 },
  });
  stitch = await createTask(owner, {
    task_type: "join_final_stitch",
    params,
    dependant_on: join,
  });
  await startTask(join, W);
  wire = new Wire(stack().apiUrl);
  path = await upload(wire, join);
  url = `${stack().apiUrl}/storage/v1/object/public/image_uploads/${path}`;
  text = transition(url);
});

afterEach(async () => {
  await network?.stop();
  network = undefined;
});

describe("a file and its description", () => {
  it.each([0, 2])(
    "are both kept when they come in one call, with every %s. reply lost",
    async (loses) => {
      network = await startNetwork(loses);
      const lossy = new Wire(network.url);
      for (let i = 0; i < 3; i++) {
        expect(await completeSinceMarch(lossy, join, path, text))
          .toMatchObject({ status: 200 });
      }
      await expectBoth();
    },
  );

  it.each([0, 2])(
    "are both kept when they come in two calls, with every %s. reply lost",
    async (loses) => {
      network = await startNetwork(loses);
      const lossy = new Wire(network.url);
      await completeFile(lossy, join, path);
      expect(await readTask(join)).toMatchObject({ output_location: url });
      for (let i = 0; i < 3; i++) {
        expect(await describeFile(lossy, join, text))
          .toMatchObject({ status: 200 });
      }
      await completeFile(lossy, join, path);
      await expectBoth();
    },
  );

  it("are both kept when the second call is the first to arrive", async () => {
    await describeFile(wire, join, text);
    await completeFile(wire, join, path);
    await describeFile(wire, join, text);
    await expectBoth();
  });

  it("are both kept when a worker was taken for lost meanwhile", async () => {
    await rest("PATCH", "tasks", { id: `eq.${join}` }, {
      body: { status: "Queued", worker_id: null },
    });
    await completeSinceMarch(wire, join, path, text);
    await expectBoth();
  });
});

describe("a late output changes nothing", () => {
  it.each([
    ["another description", () => transition(url).replace("29", "30")],
    ["a URL", () => "https://files.test/late.mp4"],
    ["a text", () => "Completed via idempotency"],
  ])("once the file is described: %s", async (_what, late) => {
    await completeSinceMarch(wire, join, path, text);
    await describeFile(wire, join, late());
    await completeSinceMarch(wire, join, path, late());
    const body = { task_id: join, output_location: late() };
    const alone = await wire.edge("complete_task", body);
    expect(alone.status, alone.text).toBe(200);
    await expectBoth();
  });

  it.each([
    ["no object", () => `["${url}"]`],
    ["no JSON", () => `{"transition_url":"${url}"`],
    ["a URL", () => "https://files.test/late.mp4"],
    [
      "JSON about a file of another start",
      () => transition(url.replace("transition", "other")),
    ],
  ])("of a file that is not described yet, when it is %s", async (_w, late) => {
    await completeFile(wire, join, path);
    await describeFile(wire, join, late());
    expect(await readTask(join)).toMatchObject({
      output_location: url,
      file_location: null,
    });
  });

  it("when the result is no file of the task's own, or it comes as complete_task alone", async () => {
    await completeFile(wire, join, path);
    const alone = { task_id: join, output_location: text };
    expect((await wire.edge("complete_task", alone)).status).toBe(200);
    expect(await readTask(join)).toMatchObject({ output_location: url });

    const other = await createTask(owner);
    await startTask(other, W);
    const plain = "https://files.test/plain.mp4";
    const body = { task_id: other, output_location: plain };
    expect((await wire.edge("complete_task", body)).status).toBe(200);
    await describeFile(wire, other, transition(plain));
    expect(await readTask(other)).toMatchObject({ output_location: plain });
  });

  it("when somebody else says it, or writes it into the row", async () => {
    await completeFile(wire, join, path);
    const key = await createToken(owner);
    const body = { task_id: join, status: "Complete", output_location: text };
    const reply = await callFunction("update-task-status", body, { key });
    expect(reply.status).toBe(200);
    const written = await rest("PATCH", "tasks", { id: `eq.${join}` }, {
      body: { output_location: text },
    });
    expect(written.status, written.text).toBe(200);
    expect(await readTask(join)).toMatchObject({ output_location: url });
  });
});

it("a description that is written into the row with the end shows the file", async () => {
  const body = { status: "Complete", output_location: text };
  const reply = await rest("PATCH", "tasks", { id: `eq.${join}` }, { body });
  expect(reply.status).toBe(200);
  await expectBoth();
});

it("a description beside base64 keeps the file that was sent", async () => {
  const answer = await wire.edge("complete_task", {
    task_id: join,
    file_data: btoa("frames"),
    filename: "transition.mp4",
    output_location: '{"frames": 29, "scale": NaN}',
  });
  const { public_url, output_location } = answer.json as Record<string, string>;
  expect(output_location).toBe('{"frames": 29, "scale": NaN}');
  expect(await wire.download(public_url ?? "")).toBe("frames");
});

it("an orchestrator that ends with such a join shows its file", async () => {
  await startTask(orchestrator, W);
  await rest("DELETE", "tasks", { id: `eq.${stitch}` });
  await wire.edge("update-task-status", {
    task_id: orchestrator,
    status: "In Progress",
    output_location: "Successfully enqueued 1 joins",
  });
  await completeSinceMarch(wire, join, path, text);
  expect(await readTask(orchestrator))
    .toMatchObject({ status: "Complete", output_location: url });
});

/** The text for the stitch, the file for the app. */
async function expectBoth(): Promise<void> {
  const before = await wire.edge("get-predecessor-output", { task_id: stitch });
  expect(before.json).toMatchObject({
    predecessor_id: join,
    output_location: text,
  });
  const told = await wire.edge("get-task-output", { task_id: join });
  expect(told.json).toMatchObject({ output_location: text, public_url: url });
  const children = await wire.edge("get-orchestrator-children", {
    orchestrator_task_id: orchestrator,
  });
  expect(children.json).toMatchObject({
    tasks: [{ id: join, output_location: text }, { id: stitch }],
  });
  const again = await wire.edge("complete_task", { task_id: join });
  expect(again.json).toMatchObject({ output_location: text, public_url: url });
  const records = await admin()<{ location: string }[]>`
    select location from public.generations where task_id = ${join}
  `;
  expect([...records]).toEqual([{ location: url }]);
  expect(await wire.download(url)).toBe("the frames between");
}
