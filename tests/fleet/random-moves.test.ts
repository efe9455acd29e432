/**
 * Machines of several generations and their orchestrators make legal moves at
 * random: claims, results and failures whose replies are lost, deaths, farewells,
 * machines sent home, resets, types that change their pool. Each result stays, no
 * machine that is sent home costs a start, counts, explain and claims agree, and
 * in the end nothing is left.
 */
import { afterAll, beforeEach, expect, it } from "vitest";
import { Chance } from "../support/chance.ts";
import { resetClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { runJob } from "../support/fleet.ts";
import { callFunction } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import { createOwner, reset } from "../support/world.ts";
import { RandomFleet } from "./clients/random-fleet.ts";
import { whatClaimsTake } from "./clients/what-claims-take.ts";
import { Wire } from "./clients/wire.ts";

const TYPE = "type_of_random_moves";
const MOVES = 60;
/** Was made at least once, or nothing would be said of it. */
const EACH = [
  ...["January", "March", "April", "shared", "api"].map((generation) =>
    `claimed by ${generation}`
  ),
  ...["completed", "Failed", "Queued", "crash", "goodbye", "reset"],
  ...["sent home", "type changed", "api said to be gone"],
];

beforeEach(async () => {
  await resetClock();
  await reset();
});
afterAll(async () => {
  await resetClock();
  await reset();
  await admin()`delete from public.task_types where name = ${TYPE}`;
});

it.each([3, 9])("random moves of the fleet, seed %i", async (seed) => {
  const owners = [
    await createOwner({ maxInProgress: 2 }),
    await createOwner({ maxInProgress: 3 }),
  ];
  const wire = new Wire(stack().apiUrl);
  const fleet = new RandomFleet(new Chance(seed), wire, owners, TYPE);
  await fleet.start();
  let claimable = 0;
  for (let move = 1; move <= MOVES; move++) {
    await fleet.move();
    if (move % 15 === 0) claimable += await expectAgreement();
  }
  expect(claimable).toBeGreaterThan(0);
  await fleet.end();
  expect(fleet.faults).toEqual([]);
  expect([...fleet.made]).toEqual(expect.arrayContaining(EACH));
  expect(
    await admin()`
    select id, status, attempts from public.tasks
    where status in ('Queued', 'In Progress') or attempts > 3
  `,
  ).toEqual([]);
  expect(await counterDrift()).toEqual([]);
});

/** Counts, explain and claims say the same of what could be taken now: how much. */
async function expectAgreement(): Promise<number> {
  let agreed = 0;
  for (const job of ["settle", "sweep"]) await runJob(job);
  const key = stack().serviceRoleKey;
  for (const run_type of ["gpu", "api"]) {
    const taken = await whatClaimsTake(run_type);
    const counts = await callFunction("task-counts", { run_type }, { key });
    expect(counts.json)
      .toMatchObject({ totals: { queued_only: taken.size } });
    const queued = await admin()<{ id: string }[]>`
      select id from public.tasks where status = 'Queued' and pool = ${run_type}
    `;
    const claimable: string[] = [];
    for (const { id } of queued) {
      const { json } = await callFunction("explain", { task_id: id }, { key });
      if ((json as { claimable: boolean }).claimable) claimable.push(id);
    }
    expect(claimable.sort()).toEqual([...taken].sort());
    agreed += taken.size;
  }
  expect(await counterDrift()).toEqual([]);
  return agreed;
}
