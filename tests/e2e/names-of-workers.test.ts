import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { signOfLife } from "../support/beats.ts";
import { admin } from "../support/db.ts";
import { callFunction, callRpc } from "../support/http.ts";
import { expectError } from "../support/replies.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

const FLEETS = "gpu-20260411_101010-dddd0002";

let owner: Owner;
let token: string;
let service: string;

beforeEach(async () => {
  await reset();
  service = stack().serviceRoleKey;
  owner = await createOwner();
  token = await createToken(owner);
});

describe("a token that borrows the name of a cloud worker", () => {
  it("leaves nothing for that worker to find, and gets its own name back", async () => {
    const task = await createTask(owner);
    await signOfLife(FLEETS);
    expect((await claim(token, FLEETS)).json).toMatchObject({ task_id: task });

    // The poll of deployed workers (CONTRACT 4.1): what do I hold?
    const found = await rest("GET", "tasks", {
      select: "id,params,task_type,project_id",
      worker_id: `eq.${FLEETS}`,
      status: "eq.In Progress",
      limit: "1",
    }, { key: service });
    expect(found.json).toEqual([]);
    expect((await claim(service, FLEETS)).status).toBe(204);

    const [row] = await admin()<{ token_id: string; worker_id: string }[]>`
      select token_id, worker_id from public.tasks where id = ${task}
    `;
    expect(row?.worker_id).toBe(`token:${row?.token_id}:${FLEETS}`);
    const mine = await callFunction("explain", { task_id: task }, {
      key: token,
    });
    expect(mine.json).toMatchObject({ worker_id: FLEETS });
    const counts = await callFunction("task-counts", {}, { key: token });
    expect(counts.json)
      .toMatchObject({ active_tasks: [{ worker_id: FLEETS }] });
    const fleets = await callFunction("task-counts", {}, { key: service });
    expect(fleets.json)
      .toMatchObject({ active_tasks: [{ worker_id: row?.worker_id }] });
  });

  it("loses nothing when that worker ends", async () => {
    const task = await createTask(owner);
    await signOfLife(FLEETS);
    await claim(token, FLEETS);
    await rest("PATCH", "workers", { id: `eq.${FLEETS}` }, {
      key: service,
      body: { status: "terminated" },
    });
    expect(await readTask(task)).toMatchObject({ status: "In Progress" });
  });
});

describe("a name of that form", () => {
  const STORED = `token:${crypto.randomUUID()}:mac`;

  it("is no name of a worker of the fleet, whichever way it comes in", async () => {
    const task = await createTask(owner);
    expectError(await claim(service, STORED), "INVALID_ARGUMENT");
    const beaten = await signOfLife(STORED);
    expect(beaten.status).toBe(400);
    expect(beaten.text).toContain("INVALID_ARGUMENT");
    const added = await rest("POST", "workers", {}, {
      key: service,
      body: { id: STORED, instance_type: "gpu", status: "active" },
    });
    expect(added.status).toBe(400);
    expect((await claim(service, FLEETS)).json)
      .toMatchObject({ task_id: task });
    const given = await rest("PATCH", "tasks", { id: `eq.${task}` }, {
      key: service,
      body: { worker_id: STORED },
    });
    expect(given.status).toBe(400);
    expect(await readTask(task)).toMatchObject({ worker_id: FLEETS });
  });
});

describe("a service key beside somebody's own credential", () => {
  it.each([
    ["a user's JWT", () => userJwt(owner.id)],
    ["a token", () => Promise.resolve(token)],
  ])("gives %s no more than it has alone", async (_whose, credential) => {
    const strangers = await createTask(await createOwner());
    const key = await credential();
    const headers = { apikey: service };
    expectError(
      await callFunction("get-task-status", { task_id: strangers }, {
        key,
        headers,
      }),
      "TASK_NOT_FOUND",
    );
    if (key === token) return;
    // As the Data API has it.
    const seen = await rest("GET", "tasks", { select: "id" }, { key, headers });
    expect(seen.json).toEqual([]);
  });
});

describe("a token that is revoked", () => {
  it("releases at once what its machine holds", async () => {
    const task = await createTask(owner);
    const jwt = await userJwt(owner.id);
    const made = z.string().parse(
      (await callRpc("create_api_token", {}, { key: jwt })).json,
    );
    expect((await claim(made, "mac")).json).toMatchObject({ task_id: task });
    await callFunction("update-task-status", {
      task_id: task,
      status: "In Progress",
      output_location: "step 16/20",
    }, { key: made });

    const [held] = await admin()<{ token_id: string }[]>`
      select token_id from public.tasks where id = ${task}
    `;
    const revoked = await callRpc("revoke_api_token", {
      p_token_id: held?.token_id,
    }, { key: jwt });
    expect(revoked.json).toBe(true);
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      worker_id: null,
      attempts: 0,
      output_location: null,
    });
    const told = await callFunction("explain", { task_id: task }, { key: jwt });
    expect(told.json).toMatchObject({ status: "Queued" });
    expectError(
      await callFunction("complete-task", { task_id: task }, { key: made }),
      "UNKNOWN_TOKEN",
    );
  });
});

describe("a claim_id that was answered with gpu work", () => {
  it("names no claim of api work", async () => {
    await createTask(owner);
    await createTask(owner, { task_type: "edit_image" });
    const body = { worker_id: "worker-1", claim_id: "claim-1" };
    const first = await callFunction("claim-next-task", body, { key: service });
    expect(first.status).toBe(200);
    expectError(
      await callFunction("claim-next-task", { ...body, run_type: "api" }, {
        key: service,
      }),
      "CLAIM_ID_USED",
    );
  });
});

function claim(key: string, worker_id: string) {
  return callFunction("claim-next-task", { worker_id }, { key });
}
