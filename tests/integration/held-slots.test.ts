import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin, adminConnection, as, closeConnections } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { claim, report } from "../support/operations.ts";
import {
  createOwner,
  createTasks,
  type Owner,
  reset,
} from "../support/world.ts";
import { childOf } from "../support/fleet-words.ts";

beforeEach(reset);
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("a slot that is held because others ended its task", () => {
  it("is not waited for by the claim that would free it", async () => {
    const [held, other] = [
      await createOwner({ maxInProgress: 1 }),
      await createOwner(),
    ];
    await createTasks(held, 2);
    const worker = as("service_role");
    const first = await claim(worker, "gpu-1");
    await cancel(held, first?.task_id ?? "");
    const [next] = await createTasks(other, 1);

    // The app has the owner's row open; the answer comes while it has.
    const app = adminConnection();
    await app`begin`;
    await app`
      select from fairlane_core.user_slots where user_id = ${held.id} for no key update
    `;
    expect((await claim(worker, "gpu-1"))?.task_id).toBe(next);
    const [slots] = await app`
      select running from fairlane_core.user_slots where user_id = ${held.id}
    `;
    expect(slots).toEqual({ running: 1 });
    await app`rollback`;

    // Then the next claim frees it, or the job.
    await admin()`select fairlane_core.rescue()`;
    await admin()`
      update public.tasks set status = 'Complete' where id = ${next ?? null}
    `;
    expect(await claim(worker, "gpu-1")).not.toBeNull();
    expect(await counterDrift()).toEqual([]);
  });

  it("keeps the limit exact when claims and cancellations meet", async () => {
    const owner = await createOwner({ maxInProgress: 2 });
    await createTasks(owner, 60);
    const busy = new Set<string>();
    const idle = new Map(
      Array.from({ length: 12 }, (_, n) => [`gpu-${n}`, as("service_role")]),
    );
    for (let round = 0; round < 4; round++) {
      // All that are idle claim at once; what they got is cancelled at once.
      const got = await Promise.all([...idle].map(async ([name, sql]) => {
        const task = await claim(sql, name);
        if (task === null) return null;
        busy.add(name);
        idle.delete(name);
        return task.task_id;
      }));
      await Promise.all(
        got.flatMap((id) => id === null ? [] : [cancel(owner, id)]),
      );
    }
    expect(busy.size).toBe(2);
    expect(await counterDrift()).toEqual([]);
    expect(await admin()`select * from fairlane_core.drift()`).toHaveLength(0);
  });
});

describe("places for orchestration", () => {
  it("are as many as the limit says, however many claim and hand over at once", async () => {
    const owner = await createOwner({ maxInProgress: 3 });
    await createTasks(owner, 40, { task_type: "film_orchestrator" });
    const running: string[] = [];
    const round = async () => {
      const claims = Array.from(
        { length: 16 },
        (_, n) => claim(as("service_role"), `gpu-${running.length}-${n}`),
      );
      const claimed = await Promise.all(claims);
      const got = claimed.flatMap((task) => task?.task_id ?? []);
      running.push(...got);
      return got;
    };
    for (let n = 0; n < 3; n++) {
      const got = await round();
      expect(got).toHaveLength(3);
      expect(await counterDrift()).toEqual([]);
      for (const id of got) {
        await createTasks(owner, 1, {
          task_type: "clip",
          available_at: "2099-01-01T00:00:00Z",
          params: childOf(id),
        });
      }
      await Promise.all(
        got.map((id) =>
          report(as("service_role"), id, "In Progress", {
            p_output_location: "Successfully enqueued 1 task",
          })
        ),
      );
      await closeConnections();
    }
    expect(await counterDrift()).toEqual([]);
  });
});

/** The owner cancels, in person. */
function cancel({ id }: Owner, task: string): Promise<unknown> {
  return report(as("service_role"), task, "Cancelled", {
    p_caller: { kind: "user", user_id: id },
  });
}
