import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  admin,
  adminConnection,
  closeConnections,
  type Connection,
} from "../support/db.ts";
import { fromBefore } from "../support/from-before.ts";
import { claim } from "../support/operations.ts";
import { pidOf, untilBlocked } from "../support/sessions.ts";
import {
  asOwner,
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});
afterEach(closeConnections);

describe("the last place, asked for twice at once", () => {
  it("of a thousand projects is given once", async () => {
    await admin()`
      insert into public.projects (user_id)
      select ${owner.id} from generate_series(1, 998)
    `;
    const codes = await twice(
      (sql) => sql`insert into public.projects (user_id) values (${owner.id})`,
    );
    expect(codes).toEqual(["done", "PT409"]);
  });

  it("of twenty tokens is given once", async () => {
    await admin()`
      insert into public.user_api_tokens (user_id, token_hash)
      select ${owner.id}, encode(sha256(i::text::bytea), 'hex')
      from generate_series(1, 19) as i
    `;
    const codes = await twice((sql) => sql`select public.create_api_token()`);
    expect(codes).toEqual(["done", "PT409"]);
  });
});

it("a head that nobody can write out and somebody holds delays no claim", async () => {
  const [bomb, stranger] = [await createTask(owner), await createOwner()];
  await fromBefore((sql) =>
    sql`
      update public.tasks
      set has_bounded_params = false,
        params = jsonb_build_object('a', array_fill(1e131071::numeric, array[300]))
      where id = ${bomb}
    `
  );
  const next = await createTask(stranger);

  const holder = adminConnection();
  await holder`begin`;
  await holder`select from public.tasks where id = ${bomb} for no key update`;
  expect(await claim(admin(), "gpu-1")).toMatchObject({ task_id: next });
  // The lock is still held; the head is left for a later claim.
  expect(await readTask(bomb)).toMatchObject({ status: "Queued" });
  await holder`rollback`;
  expect(await claim(admin(), "gpu-2")).toBeNull();
  expect(await readTask(bomb)).toMatchObject({ status: "Failed" });
});

/** The same in two sessions of the owner, the second while the first is open. */
async function twice(
  act: (sql: Connection) => Promise<unknown>,
): Promise<string[]> {
  const [first, second] = [asOwner(owner), asOwner(owner)];
  const pid = await pidOf(second);
  await first`begin`;
  await act(first);
  const waiting = act(second).then(() => "done", (error) => error.code);
  await untilBlocked(pid);
  await first`commit`;
  return ["done", await waiting];
}
