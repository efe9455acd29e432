import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import type { StackAddresses } from "../../stack/stack-addresses.ts";
import { Chance } from "../support/chance.ts";
import type { Connection } from "../support/db.ts";
import { addTypes } from "../support/types-of-tests.ts";
import { FleetWorker } from "./fleet-worker.ts";
import { Ledger } from "./ledger.ts";

/** What one run is made of. */
export interface DrainOptions<Part> {
  readonly seed: number;
  readonly tasks: number;
  /** What is killed, in this order, while the first four fifths end. */
  readonly blows: readonly Part[];
  /** Kills it; false when that is to be tried again, with the next look. */
  readonly strike: (
    part: Part,
    chance: Chance,
    ledger: Ledger,
  ) => boolean | Promise<boolean>;
}

const WORKERS = 12;
const USERS = 4;
/** Tasks a user may have running at once; the workers can reach it. */
export const LIMIT = 4;
const ROUND_MS = 50;
/** So many tasks may end beyond the point of a blow before it has fallen. */
const AHEAD = 3 * WORKERS;
/** The queue's clock goes on with the work, and when nothing moves at all. */
const ENDED_PER_TICK = 15;
const IDLE_ROUNDS_PER_TICK = 20;
const MOST_RUNS_PER_TICK = 50;
/** Much more than any machine needs. */
const PATIENCE_MS = 900_000;

/**
 * Enqueues tasks and drains them through HTTP with workers that die, while
 * processes of the stack are killed at points that the seed decides; what the
 * workers saw. The clock is stepped, so that dead workers' work comes back.
 */
export async function drain<Part>(
  target: StackAddresses,
  { seed, tasks, blows, strike }: DrainOptions<Part>,
): Promise<Ledger> {
  const chance = new Chance(seed);
  const ledger = new Ledger();
  const sql = observe(target);
  await addTypes(target.dbUrl);
  await enqueue(sql, tasks);

  const plan = planBlows(chance, tasks, blows);
  let isOver = false;
  // However slow this process is, what is left to end suffices for all blows.
  const mayClaim = () =>
    plan[0] === undefined || ledger.ended.size < plan[0].after + AHEAD;
  const workers = Array.from({ length: WORKERS }, (_, index) => {
    const own = new Chance(seed * 100 + index);
    return new FleetWorker(target, `gpu-${index}`, own, ledger)
      .work(() => isOver, mayClaim);
  });

  const deadline = Date.now() + PATIENCE_MS;
  let tickedAt = 0;
  let idleRounds = 0;
  let lastEnded = 0;
  try {
    for (;; await delay(ROUND_MS)) {
      if (Date.now() > deadline) throw new Error("The queue does not drain");
      const ended = await countEnded(sql).catch(() => undefined);
      if (ended === undefined) continue;
      if (ended === tasks) return ledger;

      idleRounds = ended === lastEnded ? idleRounds + 1 : 0;
      lastEnded = ended;
      const next = plan[0];
      if (next && ended >= next.after) {
        if (await strike(next.part, chance, ledger)) plan.shift();
      }
      if (
        ended >= tickedAt + ENDED_PER_TICK ||
        idleRounds >= IDLE_ROUNDS_PER_TICK
      ) {
        tickedAt = ended;
        idleRounds = 0;
        await tick(sql).catch(() => {});
      }
    }
  } finally {
    isOver = true;
    await Promise.all(workers);
    await sql.end({ timeout: 5 });
  }
}

/** A session that comes back by itself after the server was killed. */
export function observe(target: StackAddresses): Connection {
  return postgres(target.dbUrl, {
    max: 1,
    backoff: false,
    fetch_types: false,
    onnotice: () => {},
  });
}

interface Blow<Part> {
  readonly part: Part;
  /** Once so many tasks have ended. */
  readonly after: number;
}

/** At random points, all before the last fifth. */
function planBlows<Part>(
  chance: Chance,
  tasks: number,
  parts: readonly Part[],
): Blow<Part>[] {
  const points = parts.map(() => Math.floor(chance.next() * tasks * 0.8))
    .sort((a, b) => a - b);
  return parts.map((part, index) => ({ part, after: points[index] ?? 0 }));
}

async function enqueue(sql: Connection, tasks: number): Promise<void> {
  await sql`update fairlane_core.settings set default_task_limit = ${LIMIT}`;
  await sql`
    with owner as (
      insert into public.users (id, credits)
      select gen_random_uuid(), 100 from generate_series(1, ${USERS})
      returning id
    ), project as (
      insert into public.projects (user_id, name)
      select id, 'Project of a soak' from owner
      returning id
    ), numbered as (
      select id, row_number() over () as no from project
    )
    insert into public.tasks (task_type, project_id)
    select 'clip', p.id
    from generate_series(1, ${tasks}) as n
      join numbered as p on p.no = 1 + n % ${USERS}
  `;
}

async function countEnded(sql: Connection): Promise<number> {
  const [row] = await sql<{ ended: number }[]>`
    select count(*)::integer as ended
    from public.tasks
    where status in ('Complete', 'Failed', 'Cancelled')
  `;
  return row?.ended ?? 0;
}

/**
 * One message, so one transaction: the clock must not go on when the job is
 * struck down. (The driver's own transactions do not outlive a lost session.)
 * A run passes over owners who are held just then, which on a busy machine some
 * always are; so it is repeated before the clock goes on.
 */
async function tick(sql: Connection): Promise<void> {
  await sql`
    update fairlane_core.settings set clock_offset = clock_offset + interval '40 seconds';
    select fairlane_core.run_job('rescue')
  `.simple();
  for (let again = 0; again < MOST_RUNS_PER_TICK; again++) {
    const lost = await sql`select from fairlane_core.stalled_tasks() limit 1`;
    if (lost.length === 0) return;
    await delay(ROUND_MS);
    await sql`select fairlane_core.run_job('rescue')`;
  }
}
