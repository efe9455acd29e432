import { expect } from "vitest";
import { admin } from "../support/db.ts";
import { runJob } from "../support/fleet.ts";
import { createOwner } from "../support/world.ts";
import { createBackend, type Plan } from "./backend.ts";
import { FAULTS } from "./faults.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import type { Story } from "./story.ts";

/** One way in which a story can meet with a fault. */
export type Cell = Omit<Plan, "requests">;

const JOBS = ["rescue", "sweep", "cleanup", "repair_orchestrations"];

/** Plays a story to its end, and the jobs after it; what it leaves behind. */
export async function play(story: Story, plan?: Plan): Promise<Outcome> {
  const backend = createBackend();
  backend.plan = plan;
  const owner = await createOwner();
  await story.play(backend, owner);
  if (plan === undefined) {
    expect(backend.calls.get(story.struck)).toHaveLength(story.calls);
  }
  for (const job of JOBS) {
    expect(await runJob(job)).not.toHaveProperty("error");
  }
  const outcome = await outcomeOf(owner);
  // What has been left in the queue must not come up in other stories.
  await admin()`delete from public.users where id = ${owner.id}`;
  return outcome;
}

/** Every call of the story's function, and the way to it, with every fault. */
export function cells({ struck, calls }: Story): Cell[] {
  return Array.from({ length: calls + 1 }, (_, call) => call)
    .flatMap((call) => FAULTS.map((fault) => ({ struck, call, fault })));
}
