/**
 * The last beat of a user's own machine, or of its guardian: it is tried once,
 * so what it says counts at once, or at the next rescue, whoever holds what it
 * runs; and under a name that several share it speaks for what it names alone.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock } from "../support/clock.ts";
import { admin, closeConnections } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { runJob } from "../support/fleet.ts";
import { holdOwner, holdTasks, isOpen } from "../support/holding.ts";
import { callFunction } from "../support/http.ts";
import { beat, held, NAME } from "../support/own-machine.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

/** Of this kind one may run several tasks. */
const API = "my-api-machine";
/** What all machines are called that have no name of their own. */
const SHARED = "local-worker";
/** What each word makes of the start, and how it is told. */
const FAREWELLS = [
  { status: "terminated", attempts: 0, words: `${NAME} said that it ends` },
  {
    status: "crashed",
    attempts: 1,
    words: `${NAME} reported that its process`,
  },
];

let owner: Owner;
let token: string;

beforeEach(async () => {
  await resetClock();
  await reset();
  owner = await createOwner({ maxInProgress: 5 });
  token = await createToken(owner);
});
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("a goodbye", () => {
  it("hands its work back, and that start does not count", async () => {
    const task = await held(owner, token);
    await beat(token, { status: "terminated" });
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      worker_id: null,
      attempts: 0,
    });
    expect(await counterDrift()).toEqual([]);
  });

  it("of a machine that its guardian finds gone counts the start", async () => {
    const task = await held(owner, token);
    await beat(token, { status: "crashed" });
    expect(await readTask(task)).toMatchObject({
      status: "Queued",
      attempts: 1,
    });
  });
});

describe.each(FAREWELLS)(
  "$status, said once",
  ({ status, attempts, words }) => {
    it("while somebody holds a task frees the others, and that one at the next rescue", async () => {
      const stuck = await held(owner, token, API, "qwen_image_edit");
      const free = await held(owner, token, API, "qwen_image_edit");
      const holder = await holdTasks(stuck);
      await beat(token, { worker_id: API, status });
      expect(await readTask(free)).toMatchObject({
        status: "Queued",
        attempts,
      });
      await runJob("rescue");
      expect(await isOpen(holder)).toBe(true);
      expect((await readTask(stuck))["status"]).toBe("In Progress");
      await holder`rollback`;
      await runJob("rescue");
      expect(await readTask(stuck)).toMatchObject({
        status: "Queued",
        attempts,
      });
      await nothingIsNoted();
    });

    it("while somebody holds the owner frees the work at the next rescue", async () => {
      const task = await held(owner, token);
      const holder = await holdOwner(owner);
      await beat(token, { status });
      expect(await isOpen(holder)).toBe(true);
      await holder`rollback`;
      await runJob("rescue");
      expect(await readTask(task)).toMatchObject({
        status: "Queued",
        worker_id: null,
        attempts,
        error_message: expect.stringContaining(words),
      });
      await nothingIsNoted();
    });

    it("says nothing of a later start of the same task", async () => {
      const task = await held(owner, token);
      const holder = await holdOwner(owner);
      await beat(token, { status });
      await holder`rollback`;
      // Back under its name, it is handed out what it held, in a new start.
      const again = await callFunction("claim-next-task", { worker_id: NAME }, {
        key: token,
      });
      expect(again.json, again.text).toMatchObject({ task_id: task });
      await runJob("rescue");
      expect((await readTask(task))["status"]).toBe("In Progress");
      await nothingIsNoted();
    });

    it("ends what it names alone under the name that several share", async () => {
      const mine = await held(owner, token, SHARED);
      const theirs = await held(owner, token, SHARED);
      const before = await readTask(theirs);
      await beat(token, { worker_id: SHARED, status, task_id: mine });
      expect(await readTask(mine)).toMatchObject({
        status: "Queued",
        attempts,
      });
      expect(await readTask(theirs)).toEqual(before);
      expect(await counterDrift()).toEqual([]);
    });

    it("is no sign of life where it names nothing", async () => {
      const mine = await held(owner, token, SHARED);
      await beat(token, { worker_id: SHARED, task_id: mine });
      const before = await readTask(mine);
      await beat(token, { worker_id: SHARED, status });
      expect(await readTask(mine)).toEqual(before);
    });
  },
);

/** What was left to the rescue is forgotten with the start that it was about. */
async function nothingIsNoted(): Promise<void> {
  await runJob("rescue");
  const noted = await admin()`select from fairlane_core.noted_beats`;
  expect([...noted]).toEqual([]);
}
