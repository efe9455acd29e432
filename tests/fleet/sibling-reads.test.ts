/**
 * What workers from 18 March on ask before they make a segment: the task before
 * it, or, of a segment that is made once more, the record beside it (docs/fleet.md).
 */
import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";
import { Wire } from "./clients/wire.ts";

const NOTHING = { predecessor_id: null, output_location: null };

let owner: Owner;
let wire: Wire;
let parent: string;
let again: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  wire = new Wire(stack().apiUrl);
  parent = await record(owner, null, null, "whole");
  again = await createTask(owner, { task_type: "individual_travel_segment" });
});

describe("get-predecessor-output of a segment that is made once more", () => {
  it("tells the newest record at the place before it", async () => {
    await record(owner, parent, 0, "old");
    const newest = await record(owner, parent, 0, "new");
    await record(owner, parent, 0, null);
    await record(owner, parent, 1, "itself");
    expect(await ask({ parent_generation_id: parent, child_order: 1 }))
      .toEqual({
        predecessor_id: newest,
        output_location: "https://files.test/new.mp4",
        status: "Complete",
        predecessors: [{
          predecessor_id: newest,
          output_location: "https://files.test/new.mp4",
          status: "Complete",
        }],
        all_complete: true,
        lookup_method: "generation_sibling",
      });
  });

  it.each<[string, (parent: string) => object]>([
    ["the first", (id) => ({ parent_generation_id: id, child_order: 0 })],
    ["one without a place", (id) => ({ parent_generation_id: id })],
    ["one without a parent", () => ({ child_order: 1 })],
    [
      "one of a parent that nobody knows",
      () => ({ parent_generation_id: crypto.randomUUID(), child_order: 1 }),
    ],
    [
      "one with nothing before it",
      (id) => ({ parent_generation_id: id, child_order: 2 }),
    ],
  ])("tells nulls to %s", async (_which, fields) => {
    await record(owner, parent, 0, "first");
    expect(await ask(fields(parent))).toMatchObject({
      ...NOTHING,
      predecessors: [],
      lookup_method: null,
    });
  });

  it("finds records of the task's own owner only, whoever asks", async () => {
    const other = await createOwner();
    const theirs = await record(other, null, null, "theirs");
    await record(other, theirs, 0, "theirs");
    await record(other, parent, 0, "planted");
    const key = await createToken(owner);
    for (const id of [theirs, parent]) {
      const fields = { parent_generation_id: id, child_order: 1 };
      expect(await ask(fields)).toMatchObject(NOTHING);
      expect(await ask(fields, key)).toMatchObject(NOTHING);
    }
    const stranger = await createToken(other);
    const body = { task_id: again, parent_generation_id: theirs };
    const reply = await callFunction("get-predecessor-output", body, {
      key: stranger,
    });
    expect(reply.status).toBe(404);
  });

  it("finds what was made again just before, also by its index alone", async () => {
    await record(owner, parent, 0, "old");
    const params = { parent_generation_id: parent, segment_index: 0 };
    const task = await createTask(owner, {
      task_type: "individual_travel_segment",
      params,
    });
    await startTask(task);
    const output_location = "https://files.test/made-again.mp4";
    await wire.edge("complete_task", { task_id: task, output_location });
    // What has no child_order sends its index under this name.
    expect(await ask({ parent_generation_id: parent, child_order: 1 }))
      .toMatchObject({ output_location });
  });

  it("is answered to a user's own machine as well", async () => {
    const first = await record(owner, parent, 0, "first");
    const key = await createToken(owner);
    expect(await ask({ parent_generation_id: parent, child_order: 1 }, key))
      .toMatchObject({ predecessor_id: first });
  });
});

describe("a chained segment", () => {
  it("builds on its dependency, whatever place it names", async () => {
    const first = await createTask(owner);
    again = await createTask(owner, { dependant_on: first });
    await record(owner, parent, 0, "the record");
    const places = [
      { child_order: 1 },
      { parent_generation_id: parent, child_order: 1 },
      {},
    ];
    for (const fields of places) {
      expect(await ask(fields)).toMatchObject({
        predecessor_id: first,
        output_location: null,
        all_complete: false,
      });
    }
    await startTask(first);
    const output_location = "https://files.test/first.mp4";
    await wire.edge("complete_task", { task_id: first, output_location });
    for (const fields of places) {
      expect(await ask(fields)).toMatchObject({
        predecessor_id: first,
        output_location,
        all_complete: true,
        lookup_method: "dependency",
      });
    }
  });

  it("is told its one dependency as one id, which it asks about next", async () => {
    const first = await createTask(owner);
    const second = crypto.randomUUID();
    await wire.edge("create-task", {
      family: "travel_segment",
      project_id: owner.projectId,
      input: { task_id: second, dependant_on: [first] },
    });
    const told = await wire.edge("get-task-output", { task_id: second });
    const { dependant_on } = told.json as { dependant_on: unknown };
    expect(dependant_on).toBe(first);
    const next = await wire.edge("get-task-output", { task_id: dependant_on });
    expect([next.status, next.json])
      .toMatchObject([200, { task_id: first, dependant_on: null }]);
  });

  it("hears null, as ever, when it names no place and waits for nothing", async () => {
    expect(await ask({})).toBeNull();
  });
});

async function ask(fields: object, key?: string): Promise<unknown> {
  const asker = key === undefined ? wire : new Wire(stack().apiUrl, key);
  const body = { task_id: again, ...fields };
  const answer = await asker.edge("get-predecessor-output", body);
  expect(answer.status, answer.text).toBe(200);
  return answer.json;
}

let second = 0;

/** A result record of an hour ago, later than those before it. */
async function record(
  { id, projectId }: Owner,
  parentId: string | null,
  place: number | null,
  name: string | null,
): Promise<string> {
  const location = name === null ? null : `https://files.test/${name}.mp4`;
  const [row] = await admin()<{ id: string }[]>`
    insert into public.generations (
      user_id, project_id, type, location, parent_generation_id, child_order,
      is_child, created_at
    )
    values (
      ${id}, ${projectId}, 'video', ${location}, ${parentId}, ${place},
      ${parentId !== null},
      fairlane_core.now() - interval '1 hour' + make_interval(secs => ${second++})
    )
    returning id
  `;
  return row?.id ?? "";
}
