import { expect } from "vitest";
import type { Connection } from "../../support/db.ts";
import { type Arguments, claim, SERVICE } from "../../support/operations.ts";
import { taskId, tokenHash } from "./ids.ts";
import { type Caller, claimable, takesSlot, turnLoad } from "./model.ts";
import { isBefore } from "./line.ts";
import type { Pool, Task, World } from "./world.ts";
import { stepClock } from "./write-world.ts";

/** How the functions name this caller to the database. */
export function asCaller({ owner }: Caller): Readonly<Record<string, string>> {
  return owner === null ? SERVICE : { kind: "token", hash: tokenHash(owner) };
}

/** What a worker adds to the rules. */
export interface Wishes {
  readonly args: Arguments;
  /** Whether it would rather run this task than one it does not want. */
  wants(task: Task, isHeadOfLine: boolean): boolean;
  /** Whether users who have what it wants come before those who have not. */
  readonly comesFirst: boolean;
}

const NO_WISHES: Wishes = { args: {}, wants: () => true, comesFirst: false };

/**
 * Claims until there is nothing, each time as a new worker, and compares every
 * answer with what the rules allow. Returns the world that is left.
 */
export async function claimEverything(
  sql: Connection,
  world: World,
  caller: Caller & { readonly pool: Pool },
  wishes = NO_WISHES,
): Promise<World> {
  const lastTurns = new Map<number, number>();
  let left = world;
  for (let turn = 0; turn <= world.tasks.length; turn++) {
    const claimed = await claim(sql, `worker-${turn}`, {
      p_caller: asCaller(caller),
      p_run_type: caller.pool,
      ...wishes.args,
    });
    const candidates = wanted(left, claimable(left, caller), wishes);
    const index = claimed && indexOf(left, claimed.task_id);
    const task = index === null ? null : left.tasks[index] ?? null;
    const allowed = nextOnes(left, candidates, lastTurns, wishes.comesFirst);
    // One of them, or nothing where there is none.
    expect(allowed.length === 0 ? [null] : allowed).toContain(task);
    if (index === null || task === null) return left;
    lastTurns.set(task.owner, turn);
    left = started(left, index, caller);
    await stepClock(sql, 0.001);
  }
  throw new Error("More claims than tasks");
}

/** A claimable task, and whether the worker would rather run another. */
interface Candidate {
  readonly task: Task;
  readonly isWanted: boolean;
}

function wanted(
  world: World,
  tasks: readonly Task[],
  wishes: Wishes,
): Candidate[] {
  return tasks.map((task) => {
    const line = tasks.filter((other) =>
      other.owner === task.owner && takesSlot(world, other)
    );
    const isHead = !line.some((other) => isBefore(other, task));
    // Orchestration needs no model.
    const isWanted = !takesSlot(world, task) || wishes.wants(task, isHead);
    return { task, isWanted };
  });
}

/** Those that may be handed out next: more than one where nothing decides. */
function nextOnes(
  world: World,
  candidates: readonly Candidate[],
  lastTurns: ReadonlyMap<number, number>,
  comesFirst: boolean,
): Task[] {
  const owners = new Set(
    candidates.filter(({ isWanted }) => isWanted).map(({ task }) => task.owner),
  );
  const waitingSince = (user: number) => lastTurns.get(user) ?? 0;
  const hasTurnBefore = (user: number, other: number) =>
    turnLoad(world, user) !== turnLoad(world, other)
      ? turnLoad(world, user) < turnLoad(world, other)
      : waitingSince(user) < waitingSince(other);
  const goesBefore = (one: Candidate, other: Candidate) => {
    const { task } = one;
    const has = owners.has(task.owner);
    if (comesFirst && has !== owners.has(other.task.owner)) return has;
    if (task.owner !== other.task.owner) {
      return hasTurnBefore(task.owner, other.task.owner);
    }
    return one.isWanted === other.isWanted
      ? isBefore(task, other.task)
      : one.isWanted;
  };
  return candidates
    .filter((one) => !candidates.some((other) => goesBefore(other, one)))
    .map(({ task }) => task);
}

function started(world: World, index: number, caller: Caller): World {
  const holder = caller.owner === null ? "fleet" : "owner";
  return {
    ...world,
    tasks: world.tasks.map((task, place) =>
      place === index ? { ...task, status: "In Progress", holder } : task
    ),
  };
}

function indexOf(world: World, id: string): number {
  return world.tasks.findIndex((_, index) => taskId(index) === id);
}
