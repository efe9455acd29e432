import { beforeEach, describe, expect, it } from "vitest";
import { ChildrenReply } from "../../shared/orchestrator-children.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { callFunction, callRpc } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  createTasks,
  createToken,
  type Owner,
  reset,
} from "../support/world.ts";
import { childOf } from "../support/fleet-words.ts";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("requeue_tasks", () => {
  it("requeues every task that is named", async () => {
    const ids = await deadTasks(1000);
    const { json } = await requeue({ p_task_ids: ids });
    expect(json).toMatchObject({ requeued: 1000, passed_over: [] });
    expect(await countOf("Failed")).toBe(0);
    expect(await counterDrift()).toEqual([]);
  });

  it("puts a chain back so that each waits for the one before", async () => {
    const ids = await deadTasks(150);
    for (const [place, id] of ids.entries()) {
      if (place === 0) continue;
      await admin()`
        with linked as (
          update public.tasks set dependant_on = ${ids[place - 1]!}
          where id = ${id}
        )
        insert into fairlane_core.task_dependencies values (${id}, ${ids[
        place - 1
      ]!})
      `;
    }
    await requeue({ p_task_ids: ids });
    const found = await admin()`
      select readiness, count(*)::integer from public.tasks
      group by readiness order by readiness
    `;
    expect(found).toEqual([
      { readiness: "dependency_pending", count: 149 },
      { readiness: "ready", count: 1 },
    ]);
  });

  it("refuses more ids than one call takes, and puts none back", async () => {
    const ids = await deadTasks(1001);
    const reply = await requeue({ p_task_ids: ids });
    expect(reply.status).toBe(400);
    expect(reply.json).toMatchObject({ details: "INVALID_ARGUMENT" });
    expect(reply.text).toContain("at most 1000 tasks");
    expect(await countOf("Failed")).toBe(1001);
    const smaller = { p_task_ids: ids.slice(0, 3), p_limit: 2 };
    expect((await requeue(smaller)).status).toBe(400);
  });

  it("names those that it passed over", async () => {
    const [dead] = await deadTasks(1);
    const live = await createTask(owner);
    const { json } = await requeue({ p_task_ids: [dead, live] });
    expect(json).toMatchObject({ requeued: 1, passed_over: [live] });
  });

  it("says of a filter whether others match, too", async () => {
    await deadTasks(150);
    const filter = { p_filter: { user_id: owner.id } };
    expect((await requeue(filter)).json)
      .toMatchObject({ requeued: 100, has_more: true });
    expect((await requeue(filter)).json)
      .toMatchObject({ requeued: 50, has_more: false });
  });
});

describe("get-orchestrator-children", () => {
  it("gives every one of 3,000 children, once, page by page", async () => {
    const orchestrator_task_id = await createTask(owner, {
      task_type: "film_orchestrator",
    });
    const children = await createTasks(owner, 3000, {
      params: childOf(orchestrator_task_id),
    });
    const key = await createToken(owner);
    const found: string[] = [];
    let after: string | null = null;
    do {
      const body: unknown = { orchestrator_task_id, after };
      const page: ChildrenReply = expectOk(
        await callFunction("get-orchestrator-children", body, { key }),
        ChildrenReply,
      );
      found.push(...page.tasks.map((task) => task.id));
      expect(page.is_cut).toBe(page.next !== null);
      after = page.next;
    } while (after !== null);
    expect(found).toHaveLength(3000);
    expect(new Set(found)).toEqual(new Set(children));
  });

  it("refuses an after that it never gave", async () => {
    const orchestrator_task_id = await createTask(owner);
    const reply = await callFunction(
      "get-orchestrator-children",
      { orchestrator_task_id, after: "2" },
      { key: stack().serviceRoleKey },
    );
    expectError(reply, "INVALID_ARGUMENT");
  });
});

async function deadTasks(count: number): Promise<string[]> {
  const ids = await createTasks(owner, count);
  await admin()`
    update public.tasks set status = 'Failed', error_message = 'boom'
    where id = any(${ids}::uuid[])
  `;
  return ids;
}

function requeue(args: Record<string, unknown>) {
  return callRpc("requeue_tasks", args, { key: stack().serviceRoleKey });
}

async function countOf(status: string): Promise<number> {
  const [row] = await admin()<{ count: number }[]>`
    select count(*)::integer from public.tasks where status = ${status}
  `;
  return row!.count;
}
