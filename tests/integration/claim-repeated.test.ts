import { beforeEach, describe, expect, it } from "vitest";
import { admin, as } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { claim } from "../support/operations.ts";
import {
  createOwner,
  createTasks,
  createToken,
  reset,
} from "../support/world.ts";
import { tokenCaller } from "./token-caller.ts";
import { NAMELESS } from "../support/fleet-words.ts";

const ROUNDS = 10;

beforeEach(reset);

describe("claim_next_task() twice at once", () => {
  it("gives one worker one task, whose first lease is void", async () => {
    const sessions = [as("service_role"), as("service_role")];
    for (let round = 0; round < ROUNDS; round++) {
      await createTasks(await createOwner(), 2);
      const tasks = await Promise.all(
        sessions.map((sql) => claim(sql, `worker-${round}`)),
      );
      const ids = new Set(tasks.map((task) => task?.task_id));
      expect(ids.size).toBe(1);
      expect(ids).not.toContain(undefined);
      expect(tasks.map((task) => task?.attempt)).toEqual([1, 1]);
      expect(new Set(tasks.map((task) => task?.lease_token)).size).toBe(2);
    }
    expect(await running()).toBe(ROUNDS);
    expect(await counterDrift()).toEqual([]);
  });

  it("answers one claim_id with one task and one lease", async () => {
    const sessions = [as("service_role"), as("service_role")];
    for (let round = 0; round < ROUNDS; round++) {
      await createTasks(await createOwner(), 2);
      const args = { p_claim_id: `claim-${round}` };
      const [first, second] = await Promise.all(
        sessions.map((sql) => claim(sql, `worker-${round}`, args)),
      );
      expect(first).not.toBeNull();
      expect(second).toEqual(first);
    }
    expect(await running()).toBe(ROUNDS);
  });

  it("does so for api workers, which have no limit of their own", async () => {
    const sessions = [as("service_role"), as("service_role")];
    await createTasks(await createOwner(), 2, { task_type: "edit_image" });
    const args = { p_run_type: "api", p_claim_id: "same" };
    const [first, second] = await Promise.all(
      sessions.map((sql) => claim(sql, "api-worker-main", args)),
    );
    expect(first).not.toBeNull();
    expect(second).toEqual(first);
    expect(await running()).toBe(1);
  });

  it("keeps holders of the same name apart: service key and token", async () => {
    const owner = await createOwner();
    await createTasks(owner, 3);
    const p_caller = tokenCaller(await createToken(owner));
    const [service, token] = await Promise.all([
      claim(as("service_role"), "same-name"),
      claim(as("service_role"), "same-name", { p_caller }),
    ]);
    expect(service?.task_id).toBeDefined();
    expect(token?.task_id).toBeDefined();
    expect(token?.task_id).not.toBe(service?.task_id);
  });

  it("gives several workers of a shared name a task each", async () => {
    const sessions = Array.from({ length: 4 }, () => as("service_role"));
    await createTasks(await createOwner(), 4);
    const tasks = await Promise.all(
      sessions.map((sql) => claim(sql, NAMELESS)),
    );
    expect(new Set(tasks.map((task) => task?.task_id)).size).toBe(4);
  });
});

async function running(): Promise<number> {
  const [row] = await admin()<{ running: number }[]>`
    select count(*)::integer as running
    from public.tasks
    where status = 'In Progress'
  `;
  return row?.running ?? 0;
}
