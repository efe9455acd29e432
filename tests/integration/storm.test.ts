import process from "node:process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { anySeed } from "../model/random-runs.ts";
import { Chance } from "../support/chance.ts";
import { admin, as } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import {
  changeLimit,
  illegalStarts,
  type LimitChange,
} from "../support/history.ts";
import { resetLockWait, setLockWait } from "../support/lock-wait.ts";
import { patchReset } from "../support/operations.ts";
import { deadlocks } from "../support/sessions.ts";
import {
  createOwner,
  createTasks,
  type Owner,
  reset,
} from "../support/world.ts";
import { type Claimer, overHttp, overSql } from "./storm-claimers.ts";

const CLAIMERS = 64;
const USERS = 50;
const TASKS_PER_ROUND = 4;
const MAX_LIMIT = 7;
const SEED = Number(process.env["STORM_SEED"] ?? anySeed);
/** However long they take. */
const ROUNDS = Number(process.env["STORM_ROUNDS"] ?? 6);

beforeEach(reset);
// A crowd on few cores may hold an owner for longer than a claim would wait.
beforeEach(() => setLockWait());
afterEach(resetLockWait);

describe(`64 claimers and 50 users (STORM_SEED=${SEED})`, () => {
  it("break no promise while limits move and work is rescued", async () => {
    const storm = await Storm.begin(new Chance(SEED));
    const deadlocksBefore = await deadlocks();
    for (let rounds = 0; rounds < ROUNDS; rounds++) {
      await storm.enqueue();
      await storm.blow();
      await storm.fillSlots();
      await storm.finish();
      expect(storm.errors, `errors in round ${rounds}`).toEqual([]);
      expect(await counterDrift()).toEqual([]);
    }

    expect(new Set(storm.leases).size).toBe(storm.leases.length);
    expect(await illegalStarts(0, storm.limits)).toEqual([]);
    expect(await deadlocks(storm.sessions)).toBe(deadlocksBefore);
  }, 600_000);
});

/** What happens at once, and what came of it. */
class Storm {
  readonly errors: string[] = [];
  readonly leases: string[] = [];
  readonly limits: LimitChange[] = [];
  readonly sessions = Array.from(
    { length: CLAIMERS / 2 },
    () => as("service_role"),
  );
  readonly #operator = as("service_role");
  readonly #claimers: readonly Claimer[] = this.sessions.flatMap((sql) => [
    overSql(sql),
    overHttp,
  ]);
  readonly #owners: Owner[] = [];
  readonly #chance: Chance;
  #held: string[] = [];
  #workers = 0;

  private constructor(chance: Chance) {
    this.#chance = chance;
  }

  static async begin(chance: Chance): Promise<Storm> {
    const storm = new Storm(chance);
    for (let user = 0; user < USERS; user++) {
      const maxInProgress = storm.#anyLimit();
      const owner = await createOwner({ maxInProgress });
      storm.#owners.push(owner);
      storm.limits.push({
        userId: owner.id,
        afterEvent: 0,
        limit: maxInProgress,
      });
    }
    return storm;
  }

  async enqueue(): Promise<void> {
    for (const owner of this.#owners) await createTasks(owner, TASKS_PER_ROUND);
  }

  /** Claims, limit changes, resets, completions and late ones, all at once. */
  async blow(): Promise<void> {
    const [kept, taken] = this.#split(this.#held, 0.5);
    const [late, rescued] = this.#split(taken, 0.5);
    this.#held = kept;
    const limits = Array.from({ length: 10 }, () => this.#changeLimit());
    const resets = [rescued.slice(0, 5), rescued.slice(5), late]
      .filter((ids) => ids.length > 0)
      .map((ids) => patchReset(this.#operator, ids));
    await this.#all([
      ...this.#claimAll(),
      ...limits,
      ...resets,
      // Some come before the reset of their task, some after it.
      ...late.map((id, index) => this.#completer(index).complete(id)),
    ]);
  }

  /** Nothing else happens now: what is claimable is found, by whoever asks. */
  async fillSlots(): Promise<void> {
    const before = await claimable();
    const got = await this.#poll();
    expect(got, "no false nothing").toBe(Math.min(CLAIMERS, before));
    expect(await claimable()).toBe(before - got);
  }

  /** Most of what is held is completed. */
  async finish(): Promise<void> {
    const [done, kept] = this.#split(this.#held, 0.7);
    this.#held = kept;
    await this.#all(
      done.map((id, index) => this.#completer(index).complete(id)),
    );
  }

  async #poll(): Promise<number> {
    const before = this.#held.length;
    await this.#all(this.#claimAll());
    return this.#held.length - before;
  }

  #claimAll(): Promise<void>[] {
    return this.#claimers.map(async (claimer) => {
      const task = await claimer.claim(`worker-${this.#workers++}`);
      if (task === null) return;
      this.leases.push(task.lease_token ?? "a task without a lease");
      this.#held.push(task.task_id);
    });
  }

  async #changeLimit(): Promise<void> {
    const { id } = this.#chance.pick(this.#owners);
    this.limits.push(await changeLimit(id, this.#anyLimit()));
  }

  /** Waits for all of them, whatever becomes of some. */
  async #all(calls: readonly Promise<unknown>[]): Promise<void> {
    for (const call of await Promise.allSettled(calls)) {
      if (call.status === "rejected") this.errors.push(String(call.reason));
    }
  }

  #completer(index: number): Claimer {
    return this.#claimers[index % CLAIMERS] ?? overHttp;
  }

  #split(ids: readonly string[], share: number): [string[], string[]] {
    const first = new Set(ids.filter(() => this.#chance.next() < share));
    return [[...first], ids.filter((id) => !first.has(id))];
  }

  #anyLimit(): number {
    return 1 + Math.floor(this.#chance.next() * MAX_LIMIT);
  }
}

async function claimable(): Promise<number> {
  const [row] = await admin()<{ count: number }[]>`
    select fairlane_core.claimable_count(('service', null, null)::fairlane_core.caller, 'gpu')
      as count
  `;
  return row?.count ?? 0;
}
