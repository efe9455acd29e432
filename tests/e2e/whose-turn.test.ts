import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTasks,
  createToken,
  type Owner,
  reset,
} from "../support/world.ts";

beforeEach(reset);

const Counts = z.object({
  totals: z.object({ queued_only: z.number() }),
  suggested_workers: z.number(),
});

/** A claim by the fleet; the task's id, null for nothing. */
async function claim(worker_id: string): Promise<string | null> {
  const key = stack().serviceRoleKey;
  const body = { worker_id, run_type: "gpu" };
  const reply = await callFunction("claim-next-task", body, { key });
  expect([200, 204]).toContain(reply.status);
  return reply.status === 204
    ? null
    : z.object({ task_id: z.string() }).parse(reply.json).task_id;
}

/** How often each user's tasks were started. */
async function startsOf(owners: readonly Owner[]): Promise<number[]> {
  const rows = await admin()<{ user_id: string; starts: number }[]>`
    select user_id, count(*)::integer as starts
    from public.task_events
    where from_status = 'Queued' and to_status = 'In Progress'
    group by user_id
  `;
  return owners.map(({ id }) =>
    rows.find(({ user_id }) => user_id === id)?.starts ?? 0
  );
}

/** Nothing is counted wrong. */
async function expectNoDrift(): Promise<void> {
  expect(await admin()`select * from fairlane_core.drift()`).toHaveLength(0);
}

describe("a user with two hundred orchestrators", () => {
  it("gets as many machines as their limit says, like everybody else", async () => {
    const [eager, ana, ben] = [
      await createOwner({ maxInProgress: 1 }),
      await createOwner({ maxInProgress: 1 }),
      await createOwner({ maxInProgress: 1 }),
    ];
    await createTasks(eager, 200, { task_type: "film_orchestrator" });
    for (const honest of [ana, ben]) await createTasks(honest, 5);
    const claims = Array.from({ length: 60 }, (_, n) => claim(`gpu-${n}`));
    const claimed = await Promise.all(claims);
    expect(claimed.filter((id) => id !== null)).toHaveLength(3);
    expect(await startsOf([eager, ana, ben])).toEqual([1, 1, 1]);
    await expectNoDrift();
  });

  it("has no machine rented for what cannot run", async () => {
    const owner = await createOwner({ maxInProgress: 5 });
    await createTasks(owner, 50, { task_type: "film_orchestrator" });
    const counts = await callFunction("task-counts", { run_type: "gpu" }, {
      key: stack().serviceRoleKey,
    });
    expect(Counts.parse(counts.json)).toEqual({
      totals: { queued_only: 5 },
      suggested_workers: 5,
    });
  });
});

describe("a user who ends what runs, again and again,", () => {
  type End = (task_id: string, owner: Owner) => Promise<unknown>;
  const byFunction = (
    name: string,
    body: object,
    keyOf: (owner: Owner) => Promise<string>,
  ): End =>
  async (task_id, owner) =>
    expect(
      await callFunction(name, { task_id, ...body }, {
        key: await keyOf(owner),
      }),
    ).toMatchObject({ status: 200 });
  const inPerson = ({ id }: Owner) => userJwt(id);
  const cancel = { status: "Cancelled" };

  it.each<[string, End]>([
    ["cancelling", byFunction("update-task-status", cancel, inPerson)],
    [
      "cancelling with a token",
      byFunction("update-task-status", cancel, createToken),
    ],
    ["completing", byFunction("complete-task", {}, inPerson)],
    ["completing with a token", byFunction("complete-task", {}, createToken)],
    ["deleting the project", async (_task, owner) => {
      const as = { key: await userJwt(owner.id) };
      await rest("DELETE", "projects", { user_id: `eq.${owner.id}` }, as);
      const again = { name: "Again", user_id: owner.id };
      await rest("POST", "projects", {}, { ...as, body: again });
      await admin()`
        insert into public.tasks (task_type, project_id)
        select 'clip', p.id
        from public.projects as p, generate_series(1, 10)
        where p.user_id = ${owner.id}
      `;
    }],
    [
      "having the app delete",
      (id) => rest("DELETE", "tasks", { id: `eq.${id}` }),
    ],
    [
      "having the app cancel",
      (id) => rest("PATCH", "tasks", { id: `eq.${id}` }, { body: cancel }),
    ],
  ])(
    "keeps no more machines busy than their limit says, %s",
    async (_how, end) => {
      const owner = await createOwner({ maxInProgress: 2 });
      await createTasks(owner, 20);
      const busy = new Set<string>();
      for (const worker of Array.from({ length: 8 }, (_, n) => `gpu-${n}`)) {
        const task = await claim(worker);
        if (task === null) continue;
        busy.add(worker);
        await end(task, owner);
      }
      expect([...busy]).toEqual(["gpu-0", "gpu-1"]);
      expect(await claim("gpu-0"), "who lets go gets the next").not.toBeNull();
      expect(await claim("gpu-9"), "and nobody else").toBeNull();
      await expectNoDrift();
    },
  );

  it("gets no more turns than others", async () => {
    const owners = [
      await createOwner({ maxInProgress: 50 }),
      await createOwner({ maxInProgress: 50 }),
      await createOwner({ maxInProgress: 50 }),
    ];
    const [eager] = owners;
    for (const owner of owners) await createTasks(owner, 50);
    let worker = 0;
    for (let turn = 0; turn < 45; turn++) {
      const task = await claim(`gpu-${worker}`);
      const [mine] = await admin()`
        select from public.tasks
        where id = ${task} and user_id = ${eager?.id ?? null}
      `;
      if (mine === undefined) worker++;
      else {
        await callFunction("update-task-status", { task_id: task, ...cancel }, {
          key: await userJwt(eager?.id ?? ""),
        });
      }
    }
    expect(await startsOf(owners)).toEqual([15, 15, 15]);
    await expectNoDrift();
  });
});
