import { readFileSync } from "node:fs";
import { z } from "zod";
import { asGuest } from "../../gate/migrations/profiles.ts";
import { admin } from "../support/db.ts";
import { isGuest } from "../support/profile.ts";
import { asCaller } from "./worlds/claims.ts";
import { tokenHash, userId } from "./worlds/ids.ts";
import type { Caller } from "./worlds/model.ts";
import * as numbers from "./numbers.ts";
import { KINDS } from "./kinds.ts";
import { workerName } from "./state.ts";
import { statementOf } from "./statements.ts";
import type { Step } from "./step.ts";

/** How often somebody asks for counts, which cost as much as many steps. */
const STEPS_PER_COUNT = 15;

/** Who asks, in turn. */
const ASKING: readonly Caller[] = [
  { owner: null, pool: "gpu" },
  { owner: 0, pool: null },
  { owner: null, pool: "api" },
  { owner: 1, pool: "gpu" },
];

/** Who asks for counts after this step; the end of a run is always counted. */
export function countedFor(index: number, length: number): Caller | undefined {
  return index === length - 1 || (index + 1) % STEPS_PER_COUNT === 0
    ? ASKING[index % ASKING.length]
    : undefined;
}

const Seen = z.array(z.object({
  answer: z.string().nullable(),
  tasks: z.array(z.tuple([
    z.string(),
    z.string(),
    z.number(),
    z.string().nullable(),
    z.string().nullable(),
    z.array(z.string().nullable()),
    z.string().nullable(),
  ])),
  counts: z.object({
    told: z.object({
      totals: z.object({ queued_only: z.number(), active_only: z.number() }),
      blocked: z.record(z.string(), z.number()),
    }),
    drift: z.array(z.unknown()),
    families: z.array(z.unknown()),
  }).nullable(),
}));

/** What there was to see of the queue after one step. */
export type Seen = z.infer<typeof Seen>[number];

/** Makes the session able to play runs. */
export async function preparePlayer(): Promise<void> {
  const player = readFileSync(new URL("player.sql", import.meta.url), "utf8");
  await admin().unsafe(isGuest ? asGuest(player) : player).simple();
}

/** Plays a run on an empty queue, in a transaction that leaves nothing behind. */
export async function play(steps: readonly Step[]): Promise<Seen[]> {
  const statements = steps.map((step, index) => {
    const counted = countedFor(index, steps.length);
    return {
      ...statementOf(step),
      ...(counted === undefined ? {} : {
        counts: { caller: asCaller(counted), pool: counted.pool },
      }),
    };
  });
  const results: unknown = await admin().unsafe(`
    begin;
    ${beginning()}
    select pg_temp.play($run$${JSON.stringify(statements)}$run$) as seen;
    rollback;
  `).simple().catch(async (error: unknown) => {
    await admin().unsafe("rollback");
    throw error;
  });
  const rows = z.array(z.unknown()).parse(results).flat();
  const { seen } = z.array(z.object({ seen: z.string() })).parse(
    rows.filter((row) => row instanceof Object && "seen" in row),
  )[0] ?? { seen: "[]" };
  return Seen.parse(JSON.parse(seen));
}

/** The world of model.ts, and its numbers. */
function beginning(): string {
  const seconds = (count: number) => `interval '${count} seconds'`;
  const users = Array.from({ length: numbers.OWNERS }, (_, owner) => `
    insert into public.users (id, credits, max_in_progress)
    values ('${userId(owner)}', 1, ${numbers.TASK_LIMIT});
    insert into public.projects (id, user_id)
    values ('${userId(owner)}', '${userId(owner)}');
    insert into public.user_api_tokens (id, user_id, token_hash)
    values ('${userId(owner)}', '${userId(owner)}', '${tokenHash(owner)}');
  `);
  const workers = Array.from({ length: numbers.KNOWN_WORKERS }, (_, index) => `
    insert into public.workers (id, instance_type, status, last_heartbeat)
    values ('${
    workerName("service", index)
  }', 'gpu', 'active', fairlane_core.now());
  `);
  const { type, maxAttempts, isRetryable, timeout } = KINDS.fragile;
  return `
    update fairlane_core.settings set
      -- Nobody is judged by silence right after a start of the database.
      clock_offset = interval '1 day',
      max_attempts = ${numbers.MAX_ATTEMPTS},
      gpu_heartbeat_timeout = ${seconds(numbers.GPU_SILENCE)},
      api_heartbeat_timeout = ${seconds(numbers.API_SILENCE)},
      token_heartbeat_timeout = ${seconds(numbers.TOKEN_SILENCE)},
      delivery_timeout = ${seconds(numbers.UNDELIVERED)},
      stale_after = ${seconds(numbers.STALE_AFTER)},
      dependency_grace = ${seconds(numbers.DEPENDENCY_GRACE)},
      family_quiet_after = ${seconds(numbers.FAMILY_QUIET)},
      retry_delay = ${seconds(numbers.RETRY_DELAY)},
      max_retry_delay = ${seconds(numbers.RETRY_DELAY)},
      max_uncounted_releases = ${numbers.MAX_FREE_RETURNS},
      held_slot_limit = ${seconds(numbers.HELD_LIMIT)},
      turn_memory = ${seconds(numbers.TURN_MEMORY)};
    -- Only the command rescues, no claim does.
    update fairlane_core.job_runs set scheduled_at = 'infinity' where job = 'rescue';
    insert into public.task_types (name, max_attempts, is_retryable, timeout)
    values ('${type}', ${maxAttempts}, ${isRetryable}, ${
    seconds(timeout ?? 0)
  });
    ${users.join("")}${workers.join("")}
  `;
}
