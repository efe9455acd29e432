import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import type { LogLine } from "../log.ts";
import type { Postgres } from "../postgres.ts";

/** What starts the jobs of the stand-in for pg_cron. */
export interface CronTimer {
  /** Waits for what runs, a few seconds at most. */
  stop(): Promise<void>;
}

interface Run {
  runid: string;
  username: string;
  command: string;
}

const TICK_MS = 1000;
const PATIENCE_S = 5;

/**
 * Runs the jobs in cron.job when they are due, each in a session of its owner.
 *
 * The database's clock counts and not ours, which may be another machine's idea.
 */
export function startCronTimer(server: Postgres, log: LogLine): CronTimer {
  const clock = connect(server, "supabase_admin");
  const running = new Set<Promise<void>>();
  let mustBegin = true;
  const stopping = new AbortController();

  const tick = async (since: Date): Promise<Date> => {
    const [row] = await clock<{ now: Date }[]>`select clock_timestamp() as now`;
    const now = row?.now ?? since;
    const runs = await clock<Run[]>`
      select runid, username, command
      from cron.begin_due_runs(${since}, ${now})
    `;
    for (const run of runs) {
      const ended = execute(server, run)
        .then(({ status, message }) =>
          clock`select cron.end_run(${run.runid}, ${status}, ${message})`
        )
        .then(() => {}, lose)
        .finally(() => running.delete(ended));
      running.add(ended);
    }
    return now;
  };

  // The server has crashed or is on its way up again: jobs can wait that long,
  // but runs that it took with it must not count as running for ever.
  const lose = (error: unknown) => {
    mustBegin = true;
    if (!stopping.signal.aborted) log(String(error));
  };

  const loop = async () => {
    let since = new Date();
    while (!stopping.signal.aborted) {
      try {
        if (mustBegin) {
          since = await begin(clock);
          mustBegin = false;
        }
        since = await tick(since);
      } catch (error) {
        lose(error);
      }
      await delay(TICK_MS, undefined, { signal: stopping.signal })
        .catch(() => {});
    }
  };
  const looping = loop();

  return {
    async stop() {
      stopping.abort();
      await looping;
      const patience = delay(PATIENCE_S * 1000, undefined, { ref: false });
      await Promise.race([Promise.all(running), patience]);
      await clock.end({ timeout: 1 });
    },
  };
}

async function begin(clock: postgres.Sql): Promise<Date> {
  await clock`select cron.end_lost_runs()`;
  const [row] = await clock<{ now: Date }[]>`select clock_timestamp() as now`;
  if (!row) throw new Error("The database does not know the time");
  return row.now;
}

async function execute(
  server: Postgres,
  { username, command }: Run,
): Promise<{ status: "succeeded" | "failed"; message: string }> {
  const session = connect(server, username);
  try {
    const result = await session.unsafe(command);
    const rows = `${result.count} row${result.count === 1 ? "" : "s"}`;
    return { status: "succeeded", message: rows };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { status: "failed", message };
  } finally {
    await session.end({ timeout: 1 });
  }
}

function connect(server: Postgres, user: string): postgres.Sql {
  return postgres({
    path: `${server.socketDir}/.s.PGSQL.${server.port}`,
    database: "postgres",
    user,
    max: 1,
    connection: { application_name: "pg_cron" },
    onnotice: () => {},
  });
}
