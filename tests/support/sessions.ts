import { setTimeout as delay } from "node:timers/promises";
import { admin, type Connection } from "./db.ts";

/** A minute and more: what does not come by then never comes. */
const ATTEMPTS = 6_000;
const PAUSE_MS = 10;

/** Asks again until the answer is yes; a bounded number of times. */
export async function until(
  what: string,
  ask: () => Promise<boolean>,
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await ask()) return;
    await delay(PAUSE_MS);
  }
  throw new Error(`It did not come to pass: ${what}`);
}

/** The server process behind a connection. */
export async function pidOf(sql: Connection): Promise<number> {
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  if (row === undefined) throw new Error("The session has no process");
  return row.pid;
}

/** Waits until a session waits for a lock that another one holds. */
export async function untilBlocked(pid: number): Promise<void> {
  await until(`session ${pid} waits for a lock`, () => isBlocked(pid));
}

/** The sessions that hold the lock for which a session waits now. */
export async function blockersOf(pid: number): Promise<readonly number[]> {
  const [row] = await admin()<{ pids: number[] }[]>`
    select pg_blocking_pids(${pid}) as pids
  `;
  return row?.pids ?? [];
}

async function isBlocked(pid: number): Promise<boolean> {
  return (await blockersOf(pid)).length > 0;
}

/**
 * Sends a statement of another session and waits until it waits for a lock or
 * has been answered; says which. What postgres.js was not told to send goes out at `await`.
 */
export async function sendAndMeet<T>(
  pid: number,
  statement: PendingAnswer<T>,
): Promise<{ readonly answer: Promise<T>; readonly hadToWait: boolean }> {
  let isAnswered = false;
  const answer = statement.execute().finally(() => {
    isAnswered = true;
  });
  answer.catch(() => {}); // it is for the caller to look at
  await until(
    `session ${pid} waits or is answered`,
    async () => isAnswered || await isBlocked(pid),
  );
  return { answer, hadToWait: !isAnswered };
}

/** A statement of postgres.js, sent or not. */
interface PendingAnswer<T> extends Promise<T> {
  execute(): this;
}

/** Deadlocks in this database so far, those of open sessions included. */
export async function deadlocks(
  sessions: readonly Connection[] = [],
): Promise<number> {
  for (const sql of [...sessions, admin()]) {
    await sql`select pg_stat_force_next_flush()`;
  }
  const [row] = await admin()<{ deadlocks: number }[]>`
    select deadlocks::integer as deadlocks
    from pg_catalog.pg_stat_database
    where datname = current_database()
  `;
  if (row === undefined) throw new Error("The database has no statistics");
  return row.deadlocks;
}
