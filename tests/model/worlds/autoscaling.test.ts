import { beforeAll, describe, expect, it } from "vitest";
import { CountsReply } from "../../../shared/counts.ts";
import { WorkerHealthReply } from "../../../shared/worker-health.ts";
import type { Connection } from "../../support/db.ts";
import { rpc } from "../../support/operations.ts";
import { reset } from "../../support/world.ts";
import { worlds } from "./arbitraries.ts";
import { userId } from "./ids.ts";
import { inWorld, tentatively } from "./in-world.ts";
import { holds, seed, timeout } from "../random-runs.ts";
import { takesSlot } from "./model.ts";
import type { World } from "./world.ts";

// Everything is counted, so nothing may be left from another suite.
beforeAll(reset);

describe(`in any world (MODEL_SEED=${seed})`, () => {
  it("no more machines are suggested than find work", async () => {
    await holds(worlds, (written) =>
      inWorld(written, async (sql, world) => {
        if (hasOwnerWithBothKinds(world)) return;
        const counts = await countsOf(sql, { kind: "service" }, "gpu");
        const { spawning } = WorkerHealthReply.parse(
          JSON.parse(await rpc(sql, "worker_health", {})),
        );
        await tentatively(sql, async () => {
          const taken = await claimUntilEmpty(sql);
          expect(counts.totals.queued_only).toBe(taken);
          // Per worker one task; those that run keep theirs.
          const busy = counts.totals.active_only;
          const orchestrators = counts.global_task_breakdown.orchestrator_tasks;
          expect(counts.suggested_workers)
            .toBeLessThanOrEqual(taken + busy + orchestrators);
          expect(counts.suggested_workers).toBeGreaterThanOrEqual(taken + busy);
          expect(spawning.claimable).toBe(taken);
          expect(spawning.makes_sense).toBe(
            spawning.code === "MORE_WORK_THAN_WORKERS",
          );
          if (taken === 0) expect(spawning.code).toBe("NOTHING_CLAIMABLE");
        });
      }));
  }, timeout);

  it("owners are told the same by counts and by explain", async () => {
    await holds(worlds, (written) =>
      inWorld(written, async (sql, world) => {
        for (const user of world.users.keys()) {
          const user_id = userId(user);
          const caller = { kind: "user", user_id };
          const { totals, queued_tasks } = await countsOf(sql, caller);
          const free = await explainedAsFree(sql, caller);
          expect(totals.queued_only === 0).toBe(free.length === 0);
          expect(totals.queued_only).toBeLessThanOrEqual(free.length);
          expect(free).toEqual(
            expect.arrayContaining(queued_tasks.map(({ task_id }) => task_id)),
          );
        }
      }));
  }, timeout);
});

/** Orchestration waits for a slot that the owner's other tasks may take. */
function hasOwnerWithBothKinds(world: World): boolean {
  return [...world.users.keys()].some((user) => {
    const kinds = world.tasks.filter((task) => task.owner === user)
      .map((task) => takesSlot(world, task));
    return kinds.includes(true) && kinds.includes(false);
  });
}

async function countsOf(
  sql: Connection,
  caller: object,
  pool?: string,
): Promise<CountsReply> {
  const args = { p_caller: caller, p_run_type: pool };
  return CountsReply.parse(JSON.parse(await rpc(sql, "task_counts", args)));
}

/** Each machine claims once. */
async function claimUntilEmpty(sql: Connection): Promise<number> {
  for (let taken = 0;; taken++) {
    const args = { p_worker_id: `machine-${taken}`, p_run_type: "gpu" };
    if (await rpc(sql, "claim_next_task", args) === "null") return taken;
  }
}

async function explainedAsFree(
  sql: Connection,
  caller: { readonly user_id: string },
): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select t.id
    from public.tasks as t
    where t.user_id = ${caller.user_id}
      and (
        public.explain_task(${JSON.stringify(caller)}::text::jsonb, t.id)
          ->> 'claimable'
      )::boolean
  `;
  return rows.map(({ id }) => id);
}
