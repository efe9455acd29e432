import { Chance } from "../support/chance.ts";
import type { Connection } from "../support/db.ts";
import { patchReset } from "../support/operations.ts";
import { until } from "../support/sessions.ts";
import { SimulatedWorker } from "./simulated-worker.ts";

const WORKERS = 8;
const USERS = 4;
const TASKS_PER_TYPE = 100;
const TYPES = ["clip", "film_orchestrator", "edit_image"];
/** How much has to happen between one blow and the next. */
const EVENTS_BETWEEN = 20;
const SEED = 20_251_010;

/** A database, a way to it for each worker, and what is done to it. */
export interface Battlefield {
  /** The session that looks on and is not struck. */
  observer(): Connection;
  /** A new session, once the server is there. */
  connect(): Promise<Connection>;
  /** Ends one of these server processes. */
  strike(pid: number): Promise<void>;
}

/** Users with more work than the test will do, and a limit that is felt. */
export async function enqueuePlenty(
  sql: Connection,
  limit: number,
): Promise<void> {
  await sql`
    with owner as (
      insert into public.users (id, credits, max_in_progress)
      select gen_random_uuid(), 100, ${limit} from generate_series(1, ${USERS})
      returning id
    )
    insert into public.projects (user_id, name)
    select id, 'Project under fire' from owner
  `;
  await sql`
    insert into public.tasks (task_type, project_id)
    select t.name, p.id
    from public.projects as p
      cross join unnest(${TYPES}::text[]) as t (name)
      cross join generate_series(1, ${TASKS_PER_TYPE})
  `;
}

/**
 * Workers claim, complete, fail and reset while server processes that are at
 * work are struck down, one blow after the other; what went wrong besides.
 */
export async function fightThrough(
  { observer, connect, strike }: Battlefield,
  blows: number,
): Promise<string[]> {
  const chance = new Chance(SEED);
  let isOver = false;
  const errors: string[] = [];
  const fight = async (begin: (sql: Connection) => () => Promise<void>) => {
    let sql = await connect();
    let act = begin(sql);
    while (!isOver) {
      try {
        await act();
      } catch (error) {
        if (!isLostConnection(error)) errors.push(String(error));
        // The driver can wait for ever on a session that was reset; a process
        // of the fleet would have begun anew, too.
        void sql.end({ timeout: 0 });
        sql = await connect();
        act = begin(sql);
      }
    }
    await sql.end({ timeout: 5 });
  };

  const fights = Array.from({ length: WORKERS }, (_, index) => {
    const pool = index % 4 === 0 ? "api" : "gpu";
    return fight((sql) => {
      const worker = new SimulatedWorker(sql, `w${index}`, chance, pool);
      return () => worker.step();
    });
  });
  fights.push(fight((sql) => () => resetSome(sql, chance)));

  try {
    for (let blow = 0; blow < blows; blow++) {
      const goal = await lastEvent(observer()) + EVENTS_BETWEEN;
      const isReached = async () => await lastEvent(observer()) >= goal;
      await until("work goes on", isReached);
      await strike(await processAtWork(observer()));
    }
  } finally {
    isOver = true;
    await Promise.all(fights);
  }
  return errors;
}

async function resetSome(sql: Connection, chance: Chance): Promise<void> {
  const rows = await sql<{ id: string }[]>`
    select id from public.tasks where status = 'In Progress'
  `;
  const ids = rows.map((row) => row.id).filter(() => chance.next() < 0.1);
  await patchReset(sql, ids);
}

/** How far the history has come. */
async function lastEvent(sql: Connection): Promise<number> {
  const [row] = await sql<{ id: number }[]>`
    select coalesce(max(id), 0)::integer as id from public.task_events
  `;
  return row?.id ?? 0;
}

/** A server process that executes a statement of a worker right now. */
async function processAtWork(sql: Connection): Promise<number> {
  let pid = 0;
  await until("a worker's statement is executed", async () => {
    const [row] = await sql<{ pid: number }[]>`
      select pid
      from pg_catalog.pg_stat_activity
      where application_name = ${FIGHTER}
        and state = 'active'
        and backend_xid is not null
      order by random()
      limit 1
    `;
    pid = row?.pid ?? 0;
    return pid !== 0;
  });
  return pid;
}

/** The application name by which the sessions that may be struck are known. */
export const FIGHTER = "tests under fire";

const LOST = new Set([
  // Ended by an administrator; by a crash beside it; not up again yet.
  ...["57P01", "57P02", "57P03"],
  ...["CONNECTION_CLOSED", "CONNECTION_DESTROYED", "CONNECT_TIMEOUT"],
  ...["ECONNREFUSED", "ECONNRESET", "EPIPE"],
]);

/** Whether a call failed because its session was struck down. */
function isLostConnection(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    typeof error.code === "string" && LOST.has(error.code);
}
