import { readFileSync } from "node:fs";
import { z } from "zod";
import { Chance } from "../../tests/support/chance.ts";

/** A task as a user enqueues it, but for its project. */
export interface PlannedTask {
  readonly task_type: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** What the generated tasks tell the simulated workers. */
export const Simulation = z.object({
  /** How long the work takes, in seconds of production. */
  seconds: z.number().optional(),
  /** `first`: the first start fails; `always`: every start does. */
  fails: z.enum(["first", "always"]).optional(),
});

// As they came in: tests/incidents/ tells what became of them then.
const travelJob = realPayload("poison-travel-orchestrator");
const joinClips = realPayload("silent-join-clips");

/**
 * What each of so many users enqueues; the same for the same seed. The first
 * has a long line, behind which the others would wait if there were no turns.
 */
export function planTasks(
  total: number,
  users: number,
  seed: number,
): PlannedTask[][] {
  const chance = new Chance(seed);
  const plans: PlannedTask[][] = Array.from({ length: users }, () => []);
  for (let index = 0; index < total; index++) {
    const isBig = index % 5 < 2;
    const owner = isBig ? 0 : index % users;
    plans[owner]?.push(planTask(index, chance));
  }
  return plans;
}

function planTask(index: number, chance: Chance): PlannedTask {
  // Early, because three starts with their pauses take a while.
  if (index === 3) return generated("video_generation", chance, "always");
  if (index % 10 === 4) return travelJob;
  if (index % 5 === 2) return joinClips;
  const fails = chance.next() < 0.08 ? "first" : undefined;
  const type = chance.pick(["video_generation", "travel_segment"]);
  return generated(type, chance, fails);
}

function generated(
  task_type: string,
  chance: Chance,
  fails: "first" | "always" | undefined,
): PlannedTask {
  const seconds = 20 + Math.floor(chance.next() * 50);
  const simulation: z.infer<typeof Simulation> = fails === undefined
    ? { seconds }
    : { seconds, fails };
  const seed = Math.floor(chance.next() * 1e6);
  return {
    task_type,
    params: { prompt: "A generated task", seed, simulation },
  };
}

/** A payload of a real incident, without what it was called then. */
function realPayload(name: string): PlannedTask {
  const file = `../../tests/incidents/payloads/${name}.json`;
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  return z.object({
    task_type: z.string(),
    params: z.record(z.string(), z.unknown()),
  }).parse(JSON.parse(text));
}
