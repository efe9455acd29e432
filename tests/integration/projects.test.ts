import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin, closeConnections, type Connection } from "../support/db.ts";
import { createOwner, type Owner, reset } from "../support/world.ts";
import { interleave } from "./interleave.ts";

let owner: Owner;
let heir: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  heir = await createOwner();
});
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("a task that is enqueued while its project changes hands", () => {
  it("moves along when it came first", async () => {
    await interleave(enqueue, move);
    await expectAllWith(heir);
  });

  it("belongs to the new owner when it came second", async () => {
    await enqueue(admin());
    await interleave(move, enqueue);
    await expectAllWith(heir);
  });

  it("keeps a plain change from giving the empty project away", async () => {
    await expect(interleave(enqueue, give)).rejects.toThrow("holds tasks");
    await expectAllWith(owner);
  });

  it("belongs to the new owner when the empty project was given first", async () => {
    await interleave(give, enqueue);
    await expectAllWith(heir);
  });
});

async function enqueue(sql: Connection): Promise<void> {
  await sql`
    insert into public.tasks (task_type, project_id)
    values ('clip', ${owner.projectId})
  `;
}

async function move(sql: Connection): Promise<void> {
  await sql`select public.move_project(${owner.projectId}, ${heir.id})`;
}

async function give(sql: Connection): Promise<void> {
  await sql`
    update public.projects set user_id = ${heir.id}
    where id = ${owner.projectId}
  `;
}

async function expectAllWith({ id }: Owner): Promise<void> {
  const owners = await admin()<{ user_id: string }[]>`
    select user_id from public.projects where id = ${owner.projectId}
    union
    select user_id from public.tasks
    union
    select user_id from public.task_events
  `;
  expect(owners.map((row) => row.user_id)).toEqual([id]);
  expect([...await admin()`select * from fairlane_core.drift()`]).toEqual([]);
}
