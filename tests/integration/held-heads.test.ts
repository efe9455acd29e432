/** The head of a line is held by somebody: what a claim takes in its place. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin, adminConnection, closeConnections } from "../support/db.ts";
import { claim } from "../support/operations.ts";
import {
  createOwner,
  createTask,
  type Owner,
  reset,
} from "../support/world.ts";

const WORKER = "gpu-with-a-model";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  await admin()`
    insert into public.workers (id, status, current_model)
    values (${WORKER}, 'active', 'loaded')
  `;
});
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

/** What the worker gets that takes its own model only, beside a held head. */
async function claimBeside(held: string): Promise<string | undefined> {
  const holder = adminConnection();
  await holder`begin`;
  await holder`select from public.tasks where id = ${held} for update`;
  const task = await claim(admin(), WORKER, {
    p_same_model_only: true,
    p_max_task_wait_minutes: 5,
  });
  await holder`rollback`;
  return task?.task_id;
}

describe("a claim that asks for its model first, while the first task of it is held", () => {
  it("takes the next one of that model, not one of another before it", async () => {
    const held = await ofModel("loaded");
    await ofModel("another");
    const next = await ofModel("loaded");
    expect(await claimBeside(held)).toBe(next);
  });

  it("takes one that runs on any model", async () => {
    const held = await ofModel("loaded");
    await ofModel("another");
    const any = await createTask(owner);
    expect(await claimBeside(held)).toBe(any);
  });

  it("takes one of another model when there is no other", async () => {
    const held = await ofModel("loaded");
    const another = await ofModel("another");
    expect(await claimBeside(held)).toBe(another);
  });
});

function ofModel(model: string): Promise<string> {
  return createTask(owner, { params: { model } });
}
