import { beforeEach, describe, expect, it } from "vitest";
import { fromBefore } from "../support/from-before.ts";
import { callFunction } from "../support/http.ts";
import { send } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

/** 3 kB that take 39 MB once they are written out. */
const BOMB = bomb("1e131071", 300);

function bomb(number: string, times: number): string {
  return `{"a":[${Array(times).fill(number).join(",")}]}`;
}

function nest(times: number): string {
  return Array(times).fill('[[{"b":[1e131071,0e-16383]}]]').join(",");
}

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

/** A plain insert by the signed-in owner, its params in their own spelling. */
async function insert(params: string) {
  return send("/rest/v1/tasks", {
    method: "POST",
    headers: {
      apikey: stack().anonKey,
      authorization: `Bearer ${await userJwt(owner.id)}`,
      "content-type": "application/json",
    },
    body:
      `{"task_type":"test","project_id":"${owner.projectId}","params":${params}}`,
  });
}

function create(params: string) {
  const body =
    `{"task_type":"test","project_id":"${owner.projectId}","params":${params}}`;
  return callFunction("create-task", body, { key: stack().serviceRoleKey });
}

function claim(worker_id: string, more: object = {}) {
  return callFunction("claim-next-task", { worker_id, ...more }, {
    key: stack().serviceRoleKey,
  });
}

const nested = (levels: number) =>
  `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;

describe("params", () => {
  it.each([
    ["100 levels", nested(100)],
    ["200,000 values", `{"a":[0${",0".repeat(199_997)}]}`],
    ["a number of 400 characters", `{"a":${"9".repeat(400)}}`],
    ["an exponent of 399", '{"a":1e399}'],
  ])(
    "of %s are taken over the functions and the Data API",
    async (_w, params) => {
      const [plain, created] = [await insert(params), await create(params)];
      expect(plain.status, plain.text).toBe(201);
      expect(created.status, created.text).toBe(200);
    },
  );

  it.each([
    ["101 levels", nested(101)],
    ["6,000 levels", nested(6_000)],
    ["more than 200,000 values", `{"a":[0${",0".repeat(200_000)}]}`],
    ["a number of 401 characters", `{"a":${"9".repeat(401)}}`],
    ["an exponent of 400", '{"a":1e400}'],
    ["numbers that grow when they are written", BOMB],
    ["5,000 such numbers", bomb("1e131071", 5_000)],
    ["90,000 such numbers", bomb("1e131071", 90_000)],
    ["20,000 numbers of as many places", bomb("1e-16383", 20_000)],
    ["90,000 zeros of as many places", bomb("0e-16383", 90_000)],
    ["one number of 100,000 digits", `{"a":${"9".repeat(100_000)}}`],
    ["such numbers in lists of lists", `{"a":[${nest(9_000)}]}`],
    ["escapes of six characters", `{"a":"${"\\u0001".repeat(174_800)}"}`],
  ])("of %s are refused alike", async (_what, params) => {
    const plain = await insert(params);
    expect(plain.status, plain.text).toBe(413);
    expect(plain.json).toMatchObject({ details: "PARAMS_TOO_LARGE" });
    if (params.length > 1_000_000) return;
    const created = await create(params);
    expect(created.status, created.text).toBe(413);
    expect(created.json).toMatchObject({ code: "PARAMS_TOO_LARGE" });
  });
});

/** The app keeps something beside a user. */
function keep(settings: string) {
  return send(`/rest/v1/users?id=eq.${owner.id}`, {
    method: "PATCH",
    headers: {
      apikey: stack().serviceRoleKey,
      authorization: `Bearer ${stack().serviceRoleKey}`,
      "content-type": "application/json",
    },
    body: `{"settings":${settings}}`,
  });
}

it.each([
  ["numbers that grow", bomb("1e131071", 90_000)],
  ["small numbers that grow", bomb("1e-16383", 80_000)],
])("the settings of a user have these bounds, too: %s", async (_w, json) => {
  const reply = await keep(json);
  expect(reply.status, reply.text).toBe(413);
});

it("the settings of a user hold what apps keep there", async () => {
  const reply = await keep(`{"ui":"${"x".repeat(1_000)}"}`);
  expect(reply.status, reply.text).toBe(204);
});

it("a result in many rows of one statement is measured without being written", async () => {
  const row = `{"task_type":"test","project_id":"${owner.projectId}",` +
    `"result_data":${bomb("1e131071", 120)}}`;
  const reply = await send("/rest/v1/tasks", {
    method: "POST",
    headers: {
      apikey: stack().serviceRoleKey,
      authorization: `Bearer ${stack().serviceRoleKey}`,
      "content-type": "application/json",
    },
    body: `[${Array(600).fill(row).join(",")}]`,
  });
  expect(reply.status, reply.text).toBe(201);
});

describe("a row from before that nobody can write out", () => {
  let bomb: string;
  let next: string;

  beforeEach(async () => {
    const created_at = new Date(Date.now() - 3_600_000).toISOString();
    bomb = await createTask(owner, { created_at });
    next = await createTask(owner);
    await fromBefore((sql) =>
      sql`
        update public.tasks
        set params = ${BOMB}::text::jsonb, has_bounded_params = false
        where id = ${bomb}
      `
    );
  });

  it("ends Failed with the reason, and the claim takes the next", async () => {
    const preview = await claim("gpu-1", { dry_run: true });
    expect(preview.json).toMatchObject({ task: { task_id: next } });
    const taken = await claim("gpu-1");
    expect(taken.status, taken.text).toBe(200);
    expect(taken.json).toMatchObject({ task_id: next });
    expect(await readTask(bomb)).toMatchObject({
      status: "Failed",
      attempts: 0,
      error_message: expect.stringMatching("too large"),
    });
  });

  it("is answered in a few bytes by every read", async () => {
    for (const name of ["get-task-output", "get-task-status", "explain"]) {
      const reply = await callFunction(name, { task_id: bomb }, {
        key: stack().serviceRoleKey,
      });
      expect(reply.status, reply.text.slice(0, 200)).toBe(200);
      expect(reply.text.length, name).toBeLessThan(2_000);
    }
  });
});
