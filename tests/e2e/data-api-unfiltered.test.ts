import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { tableOf } from "../support/profile.ts";
import { send } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  reset,
} from "../support/world.ts";

let owner: Owner;
let stranger: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  stranger = await createOwner();
  for (const { id, projectId } of [owner, stranger]) {
    await createTask({ id, projectId });
    await admin()`
      insert into public.generations (user_id, project_id, location)
      values (${id}, ${projectId}, 'https://files/one')
    `;
    await createToken({ id, projectId });
  }
  await admin()`
    insert into public.workers (id, instance_type, status)
    values ('gpu-1', 'gpu', 'active')
  `;
  await admin()`
    insert into public.system_logs (source_type, log_level, message)
    values ('worker', 'INFO', 'A line')
  `;
});

/** A column of each table that the API knows, and a value for it. */
const TABLES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  users: { credits: 1_000_000 },
  projects: { name: "Taken" },
  tasks: { status: "Cancelled" },
  task_types: { is_active: false },
  generations: { location: "https://files/other" },
  task_events: { reason: "Not me" },
  workers: { status: "terminated" },
  system_logs: { message: "Nothing" },
  user_api_tokens: { label: "Mine" },
};

describe("without a filter, a signed-in user", () => {
  for (const [table, change] of Object.entries(TABLES)) {
    it(`changes only own rows of ${table}`, async () => {
      await expectOnlyOwn(table, () => request("PATCH", table, change));
    });

    it(`deletes only own rows of ${table}`, async () => {
      await expectOnlyOwn(table, () => request("DELETE", table));
    });
  }

  it("gives no row to somebody else", async () => {
    const before = await rowsOf("projects");
    await request("PATCH", "projects", { user_id: stranger.id });
    expect(await rowsOf("projects")).toEqual(before);
  });

  it("loses all that is theirs with their own projects", async () => {
    await request("DELETE", "projects");
    const left = await admin()<{ user_id: string }[]>`
      select user_id from public.projects
      union all
      select user_id from public.tasks
      union all
      select user_id from public.generations
    `;
    expect(left.map((row) => row.user_id)).toEqual(
      [stranger.id, stranger.id, stranger.id],
    );
  });
});

/** Whatever comes of it: rows of others, and rows of nobody, stay the same. */
async function expectOnlyOwn(
  table: string,
  statement: () => Promise<unknown>,
): Promise<void> {
  const before = await rowsOf(table);
  expect(before.length).toBeGreaterThan(0);
  await statement();
  expect(await rowsOf(table)).toEqual(before);
}

/** The rows that are not the owner's, in a fixed order. */
async function rowsOf(table: string): Promise<unknown[]> {
  const rows = await admin()<{ row: Record<string, unknown> }[]>`
    select to_jsonb(t) as row from ${admin()(tableOf(table))} as t
  `;
  return rows.map(({ row }) => row)
    .filter((row) =>
      (table === "users" ? row["id"] : row["user_id"]) !== owner.id
    )
    .sort((one, other) =>
      JSON.stringify(one).localeCompare(JSON.stringify(other))
    );
}

async function request(
  method: string,
  table: string,
  body?: unknown,
): Promise<unknown> {
  const reply = await send(`/rest/v1/${table}`, {
    method,
    headers: {
      apikey: stack().publishableKey,
      authorization: `Bearer ${await userJwt(owner.id)}`,
      "content-type": "application/json",
      // Asked for the rows, only those would be written that can be read.
      prefer: "return=minimal",
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return reply.json;
}
