import { beforeEach, describe, expect, it } from "vitest";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import { createOwner, type Owner, readTask, reset } from "../support/world.ts";

/** To the second: Postgres writes a fraction without zeros at its end. */
const AN_HOUR_AGO = new Date(Date.now() - 3_600_000).toISOString()
  .replace(/\.\d+/, "");

let owner: Owner;
let stranger: Owner;

beforeEach(async () => {
  await reset();
  [owner, stranger] = [await createOwner(), await createOwner()];
});

describe("a plain insert with the service key", () => {
  it("takes what the debug tools send", async () => {
    const row = {
      task_type: "test",
      project_id: owner.projectId,
      params: { test: true },
      status: "Queued",
      created_at: AN_HOUR_AGO,
    };
    const created = await insert(row);
    expect(created.status, created.text).toBe(201);
    expect(created.json).toMatchObject([{
      ...row,
      created_at: AN_HOUR_AGO.replace("Z", "+00:00"),
      user_id: owner.id,
      run_type: "cloud",
      readiness: "ready",
    }]);
  });

  it("takes what the scripts send, under their own id", async () => {
    const id = crypto.randomUUID();
    const created = await insert({
      id,
      task_type: "unheard_of",
      params: {},
      status: "Queued",
      project_id: owner.projectId,
      attempts: 0,
    });
    expect([200, 201], created.text).toContain(created.status);
    expect(await readTask(id)).toMatchObject({ readiness: "ready" });
  });

  it("takes priority, a time and limits", async () => {
    const options = {
      priority: 5,
      available_at: "2100-01-01T00:00:00+00:00",
      max_attempts: 2,
    };
    const created = await insert({
      ...options,
      task_type: "test",
      project_id: owner.projectId,
    });
    expect(created.json).toMatchObject([{ ...options, readiness: "not_yet" }]);
  });
});

describe("a plain insert by a signed-in user", () => {
  it("takes an own task, and puts the queue's time for theirs", async () => {
    const id = crypto.randomUUID();
    const created = await insertAs(owner, {
      id,
      task_type: "clip",
      project_id: owner.projectId,
      params: { prompt: "a bus" },
      priority: 2,
      created_at: AN_HOUR_AGO,
    });
    expect(created.status, created.text).toBe(201);
    const { created_at, ...task } = await readTask(id);
    expect(task).toMatchObject({
      user_id: owner.id,
      priority: 2,
      readiness: "ready",
    });
    expect(Number(created_at)).toBeGreaterThan(Date.now() - 3_600_000);
  });

  it.each([
    ["a foreign project", () => ({ project_id: stranger.projectId })],
    ["an owner", () => ({ user_id: stranger.id })],
    ["a lease", () => ({ lease_token: crypto.randomUUID() })],
    ["a worker", () => ({ worker_id: "mine" })],
    ["a status", () => ({ status: "Complete" })],
    ["a count of starts", () => ({ attempts: 3 })],
    ["a limit of starts", () => ({ max_attempts: 1_000_000 })],
    ["no project", () => ({ project_id: null })],
  ])("is refused with %s", async (_what, fields) => {
    const row = { task_type: "test", project_id: owner.projectId };
    const refused = await insertAs(owner, { ...row, ...fields() });
    expect(refused.status, refused.text).toBe(403);
    expect(refused.json).toMatchObject({ code: "42501" });
  });
});

function insert(body: unknown) {
  return rest("POST", "tasks", {}, { body });
}

async function insertAs(person: Owner, body: unknown) {
  // A user's JWT goes beside the project's public key.
  const headers = { apiKey: stack().anonKey };
  return rest("POST", "tasks", {}, {
    key: await userJwt(person.id),
    body,
    headers,
  });
}
