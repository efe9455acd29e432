import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";

/** What workers of the earlier backend met while the database was upgraded. */
export interface Meetings {
  /** Claims that got a task. */
  claimed: number;
  /** Tasks they completed. */
  completed: number;
  /** Tasks that were enqueued meanwhile. */
  readonly enqueued: string[];
  /** What was refused, with its SQLSTATE. */
  readonly errors: string[];
  /** The longest that a claim or a completion took, in milliseconds. */
  longestMs: number;
}

/** As the earlier backend claimed: the oldest queued task. */
const CLAIM = `
  update public.tasks
  set status = 'In Progress', worker_id = $1, generation_started_at = now(), updated_at = now()
  where id = (
    select t.id from public.tasks as t
    where t.status = 'Queued'
    order by t.created_at
    limit 1
    for update skip locked
  )
  returning id
`;

const COMPLETE = `
  update public.tasks
  set status = 'Complete', output_location = 'https://files.test/new', generation_processed_at = now()
  where id = $1 and status = 'In Progress'
  returning id
`;

/** As the earlier backend enqueued, for any of the projects. */
const ENQUEUE = `
  insert into public.tasks (task_type, project_id)
  select 'travel_segment', p.id from public.projects as p
  order by md5(p.id::text || $1) limit 1
  returning id
`;

/**
 * Workers that claim and complete on tables, and a web app that enqueues, until
 * they are stopped. Whoever waits a second for a lock gives up with 55P03.
 */
export function augustWorkers(
  dbUrl: string,
  count: number,
): { readonly met: Meetings; stop(): Promise<Meetings> } {
  const met: Meetings = {
    claimed: 0,
    completed: 0,
    enqueued: [],
    errors: [],
    longestMs: 0,
  };
  let isOver = false;
  const connect = () => {
    const sql = postgres(dbUrl, {
      max: 1,
      prepare: false,
      onnotice: () => {},
      connection: { lock_timeout: 10_000 },
    });
    const ask = async (text: string, value: string) => {
      const begin = performance.now();
      const rows = await sql.unsafe<{ id: string }[]>(text, [value])
        .catch((error: { code?: string; message: string }) => {
          met.errors.push(`${error.code ?? "?"} ${error.message}`);
          return [];
        });
      met.longestMs = Math.max(met.longestMs, performance.now() - begin);
      return rows[0]?.id;
    };
    return { sql, ask };
  };
  const enqueue = async () => {
    const { sql, ask } = connect();
    for (let i = 0; !isOver; i++) {
      const id = await ask(ENQUEUE, String(i));
      if (id !== undefined) met.enqueued.push(id);
      await delay(20);
    }
    await sql.end();
  };
  const work = async (name: string) => {
    const { sql, ask } = connect();
    while (!isOver) {
      const id = await ask(CLAIM, name);
      if (id !== undefined) {
        met.claimed++;
        if (await ask(COMPLETE, id) !== undefined) met.completed++;
      }
      // As a pause between polls, so that they do not use up what they wait for.
      await delay(20);
    }
    await sql.end();
  };
  const workers = [
    enqueue(),
    ...Array.from({ length: count }, (_, i) => work(`gpu-old-${i + 1}`)),
  ];
  return {
    met,
    async stop() {
      isOver = true;
      await Promise.all(workers);
      return met;
    },
  };
}
