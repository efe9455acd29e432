import { expect } from "vitest";
import { CountsReply } from "../../../shared/counts.ts";
import { WorkerExplanation } from "../../../shared/explain.ts";
import type { Connection } from "../../support/db.ts";
import { rpc, SERVICE } from "../../support/operations.ts";
import { asCaller } from "./claims.ts";
import { taskId } from "./ids.ts";
import { reasonInLine } from "./line.ts";
import {
  activeCount,
  blocked,
  type Caller,
  claimable,
  claimableCount,
} from "./model.ts";
import type { World } from "./world.ts";

/** Expects of `task_counts` what the rules say to this caller. */
export async function expectCounts(
  sql: Connection,
  world: World,
  caller: Caller,
): Promise<void> {
  const reply = await rpc(sql, "task_counts", {
    p_caller: asCaller(caller),
    p_run_type: caller.pool ?? undefined,
  });
  const counts = CountsReply.parse(JSON.parse(reply));
  const queued = claimableCount(world, caller);
  const reasons: Readonly<Record<string, number>> = blocked(world, caller);
  const waiting = (...names: string[]) =>
    names.reduce((sum, name) => sum + (reasons[name] ?? 0), 0);
  expect({
    queued: counts.totals.queued_only,
    active: counts.totals.active_only,
    blocked: counts.blocked,
    listed: counts.queued_tasks.length,
    warm: counts.totals.potentially_claimable,
    capacity: counts.totals.blocked_by_capacity,
    deps: counts.totals.blocked_by_deps,
    settings: counts.totals.blocked_by_settings,
  }, `counts of ${JSON.stringify(caller)}`).toEqual({
    queued,
    active: activeCount(world, caller),
    blocked: blocked(world, caller),
    listed: queued,
    warm: queued + waiting("user_at_limit"),
    capacity: waiting("user_at_limit"),
    deps: waiting("dependency_pending", "dependency_lost"),
    settings: waiting(
      "no_credits",
      "cloud_disabled",
      "local_disabled",
      "type_inactive",
      "pool_paused",
    ),
  });
  const ids = claimable(world, caller)
    .map((task) => taskId(world.tasks.indexOf(task)));
  const listed = counts.queued_tasks.map((task) => task.task_id);
  expect(ids).toEqual(expect.arrayContaining(listed));
}

/** Expects of `explain_task` the one reason of every queued task. */
export async function expectTaskExplanations(
  sql: Connection,
  world: World,
): Promise<void> {
  const rows = await sql<{ id: string; reason: string | null }[]>`
    select
      t.id,
      public.explain_task(${JSON.stringify(SERVICE)}::text::jsonb, t.id)
        ->> 'reason' as reason
    from public.tasks as t
    where t.status = 'Queued'
    order by t.id
  `;
  const expected = world.tasks.flatMap((task, index) => {
    const owner = task.runType === "local" ? task.owner : null;
    const reason = reasonInLine(world, task, { owner, pool: null });
    return task.status === "Queued" ? [{ id: taskId(index), reason }] : [];
  });
  expect([...rows], "explain_task").toEqual(expected);
}

/** Expects of `explain_worker` why a new worker would get nothing. */
export async function expectWorkerExplanation(
  sql: Connection,
  world: World,
  caller: Caller,
): Promise<void> {
  const reply = await rpc(sql, "explain_worker", {
    p_caller: asCaller(caller),
    p_worker_id: "a-new-worker",
    p_run_type: caller.pool,
  });
  const explanation = WorkerExplanation.parse(JSON.parse(reply));
  const count = claimableCount(world, caller);
  expect(explanation).toMatchObject({
    gets_work: count > 0,
    reason: count > 0 ? null : "nothing_claimable",
    claimable: count,
    blocked: blocked(world, caller),
  });
}
