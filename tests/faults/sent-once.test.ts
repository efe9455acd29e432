import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import {
  type FaultyFunction,
  startBehindFaults,
} from "../support/faulty-gateway.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTasks,
  type Owner,
  reset,
} from "../support/world.ts";

let owner: Owner;
beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

// Deno's fetch sends a text again when a connection that it has used before
// closes without a reply. What would be done twice then must not be sent so.
describe("a call whose connection closes without a reply", () => {
  let claim: FaultyFunction;
  let create: FaultyFunction;
  beforeAll(async () => {
    [claim, create] = await Promise.all([
      startBehindFaults("claim-next-task"),
      startBehindFaults("create-task"),
    ]);
  });
  afterAll(() => Promise.all([claim.stop(), create.stop()]));

  it("takes one task, not two", async () => {
    const body = { worker_id: "api-worker-main", run_type: "api" };
    await loseReply(claim, body, 204);
    await createTasks(owner, 3, { task_type: "edit_image" });
    expect(await send(claim, body)).toBe(503);
    expect(await statuses()).toEqual(["In Progress", "Queued", "Queued"]);
  });

  it("creates one task without an id of its own, not two", async () => {
    const body = { task_type: "edit_image", project_id: owner.projectId };
    await loseReply(create, body, 200);
    expect(await send(create, body)).toBe(503);
    expect(await statuses()).toEqual(["Queued", "Queued"]);
  });
});

/** Opens the connection with one call, and lets the next one lose its reply. */
async function loseReply(
  to: FaultyFunction,
  body: object,
  answer: number,
): Promise<void> {
  to.fault = () => "none";
  expect(await send(to, body)).toBe(answer);
  to.fault = () => "reply lost";
}

async function send(to: FaultyFunction, body: object): Promise<number> {
  const reply = await fetch(to.url, {
    method: "POST",
    headers: { authorization: `Bearer ${stack().secretKey}` },
    body: JSON.stringify(body),
  });
  await reply.arrayBuffer();
  return reply.status;
}

async function statuses(): Promise<string[]> {
  const rows = await admin()<{ status: string }[]>`
    select status from public.tasks order by status
  `;
  return rows.map(({ status }) => status);
}
