import { expect } from "vitest";
import { adminConnection, type Connection } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { deadlocks, pidOf, untilBlocked } from "../support/sessions.ts";

/**
 * The first step is taken and not committed, the second begun until it waits;
 * then the first commits. Afterwards every counter is right and nobody died.
 */
export async function interleave(
  first: (sql: Connection) => Promise<unknown>,
  second: (sql: Connection) => Promise<unknown>,
): Promise<void> {
  const deadlocksBefore = await deadlocks();
  const [one, two] = [adminConnection(), adminConnection()];
  const pid = await pidOf(two);
  await one`begin`;
  await first(one);
  const pending = second(two);
  await untilBlocked(pid);
  await one`commit`;
  await pending;
  expect(await counterDrift()).toEqual([]);
  expect(await deadlocks([one, two])).toBe(deadlocksBefore);
}
