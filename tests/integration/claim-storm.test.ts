import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { as, type Connection } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { illegalStarts } from "../support/history.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { claim, complete } from "../support/operations.ts";
import { deadlocks } from "../support/sessions.ts";
import { createOwner, createTasks, reset } from "../support/world.ts";

const CLAIMERS = 24;
const ROUNDS = 30;
const USERS = 2;
const TASKS_PER_USER = 4;
const LIMIT = 3;
const SLOTS = USERS * LIMIT;

beforeEach(reset);
// A crowd on few cores may hold an owner for longer than a claim would wait.
beforeEach(() => setLockWait());
afterEach(resetLockWait);

describe("claim_next_task() in a storm", () => {
  it("gives each task to one, fills every slot and no more", async () => {
    const claimers = Array.from(
      { length: CLAIMERS },
      () => as("service_role"),
    );
    const deadlocksBefore = await deadlocks();

    for (let round = 0; round < ROUNDS; round++) {
      await enqueueRound();
      const first = await poll(claimers, `${round}-first`);
      expect(first.length, "a claim in each round").toBeGreaterThan(0);
      const second = await poll(claimers, `${round}-second`);
      const held = [...first, ...second];
      expect(held, "slots filled within two polls").toHaveLength(SLOTS);
      expect(new Set(held).size, "tasks handed out once").toBe(SLOTS);
      await finishRound(claimers, held, round);
    }

    expect(await illegalStarts(LIMIT)).toEqual([]);
    expect(await counterDrift()).toEqual([]);
    expect(await deadlocks(claimers)).toBe(deadlocksBefore);
  });
});

async function enqueueRound(): Promise<void> {
  for (let user = 0; user < USERS; user++) {
    const owner = await createOwner({ maxInProgress: LIMIT });
    await createTasks(owner, TASKS_PER_USER);
  }
}

/** Every claimer claims once, all at the same time; the tasks they got. */
async function poll(
  claimers: readonly Connection[],
  name: string,
): Promise<string[]> {
  const tasks = await Promise.all(
    claimers.map((sql, index) => claim(sql, `worker-${name}-${index}`)),
  );
  return tasks.flatMap((task) => task?.task_id ?? []);
}

/** What is held is completed at once, then what is left is claimed and done. */
async function finishRound(
  claimers: readonly Connection[],
  held: readonly string[],
  round: number,
): Promise<void> {
  const completeAll = (ids: readonly string[]) =>
    Promise.all(claimers.flatMap((sql, index) => {
      const id = ids[index];
      return id === undefined ? [] : [complete(sql, id)];
    }));
  await completeAll(held);
  const rest = await poll(claimers, `${round}-rest`);
  expect(rest).toHaveLength(USERS * TASKS_PER_USER - SLOTS);
  await completeAll(rest);
}
