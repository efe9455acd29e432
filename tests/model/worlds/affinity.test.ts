import fc from "fast-check";
import { beforeAll, describe, it } from "vitest";
import type { Connection } from "../../support/db.ts";
import { reset } from "../../support/world.ts";
import { worlds } from "./arbitraries.ts";
import { claimEverything, type Wishes } from "./claims.ts";
import { inWorld } from "./in-world.ts";
import { holds, seed, timeout } from "../random-runs.ts";

/** What a worker with a loaded model says with its claims. */
interface Affinity {
  readonly model: string;
  readonly isRequired: boolean;
  readonly maxWaitMinutes: number;
}

const affinities: fc.Arbitrary<Affinity> = fc.record({
  model: fc.constantFrom("wan", "flow"),
  isRequired: fc.boolean(),
  // Nothing, some and everything has waited that long.
  maxWaitMinutes: fc.constantFrom(20_000, 9_000, 120.25, 0),
});

beforeAll(reset);

describe(`a worker with a model (MODEL_SEED=${seed})`, () => {
  it(
    "gets what suits it or has waited too long, and the rest rather than nothing",
    async () => {
      await holds(
        fc.tuple(worlds, affinities),
        ([written, affinity]) =>
          inWorld(written, async (sql, world) => {
            await announceWorkers(sql, affinity.model, world.tasks.length);
            const fleet = { owner: null, pool: "gpu" } as const;
            await claimEverything(sql, world, fleet, wishesOf(affinity));
          }),
      );
    },
    timeout,
  );
});

function wishesOf({ model, isRequired, maxWaitMinutes }: Affinity): Wishes {
  return {
    args: {
      p_same_model_only: isRequired,
      p_max_task_wait_minutes: maxWaitMinutes,
    },
    // Every task becomes the head of its line, so none waits for ever.
    wants: (task, isHeadOfLine) =>
      task.model === null || task.model === model ||
      (isHeadOfLine && task.ageMinutes > maxWaitMinutes),
    comesFirst: isRequired,
  };
}

async function announceWorkers(
  sql: Connection,
  model: string,
  last: number,
): Promise<void> {
  await sql`
    insert into public.workers (id, status, current_model)
    select 'worker-' || n, 'active', ${model}
    from generate_series(0, ${last}::integer) as n
  `;
}
