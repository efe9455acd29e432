import postgres from "postgres";
import type { Entry } from "../equality/differences.ts";
import type { Planted } from "../equality/planted.ts";

const MOMENT = /\b\d{4}-\d\d-\d\dT[0-9:.]+(?:[+-][0-9:]+|Z)/g;

/** What tells rows of a table apart; of most tables one of these is the key. */
const KEYS =
  "{id,task_id,depends_on,orchestrator_id,user_id,pool,reason,name,job,status,worker_id}";

/** Of numbers that follow from the order of work, that order alone; of jobs not what their last run did. */
const ROWS_OF: Readonly<Record<string, string>> = {
  "fairlane_core.subtasks": `(
    select s.task_id, s.orchestrator_id, s.user_id, s.task_type, s.final_rank, s.part_index, s.replaced_by,
      row_number() over (partition by s.orchestrator_id order by s.seq) as place
    from fairlane_core.subtasks as s
  )`,
  "fairlane_core.job_runs":
    "(select j.job, j.period, j.scheduled_at from fairlane_core.job_runs as j)",
};

/**
 * Every row of every table, a line for each value, each under its key. Two
 * upgrades do not run at the same time: their own moments are all one.
 */
export async function rowsOf(url: string, since: Date): Promise<Entry[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const tables = await sql<{ name: string }[]>`
      select format('%I.%I', n.nspname, c.relname) as name
      from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
      where c.relkind = 'r'
        and (n.nspname in ('public', 'fairlane_core') or c.oid = to_regclass('storage.buckets'))
      order by 1
    `;
    const entries: Entry[] = [];
    for (const { name } of tables) {
      const rows = await sql.unsafe<{ key: string; text: string }[]>(`
        select
          (
            select string_agg(v.value, ' ' order by v.key) from jsonb_each_text(to_jsonb(t)) as v
            where v.key = any ('${KEYS}') and length(v.value) < 100
          ) as key,
          (
            select string_agg(v.key || ' = ' || coalesce(v.value, 'null'), E'\\n' order by v.key)
            from jsonb_each_text(to_jsonb(t)) as v
          ) as text
        from ${ROWS_OF[name] ?? name} as t
      `);
      entries.push({ title: `rows of ${name}`, text: String(rows.length) });
      entries.push(...rows.map(({ key, text }) => ({
        title: `row of ${name} ${key}`,
        text: withoutMoments(text, since),
      })));
    }
    return entries;
  } finally {
    await sql.end();
  }
}

function withoutMoments(text: string, since: Date): string {
  return text.replaceAll(MOMENT, (moment) => {
    const at = new Date(moment).getTime();
    return at >= since.getTime() && at < Date.now() + 86_400_000
      ? "<during the upgrade>"
      : moment;
  });
}

/** What a comparison of rows has to see. */
export const PLANTED_ROWS: readonly Planted[] = [
  {
    what: "a value in a row",
    object: "row of fairlane_core.settings",
    common: "",
    change: "update fairlane_core.settings set default_task_limit = 6",
  },
  {
    what: "a row that is missing",
    object: "rows of public.task_types",
    common: "",
    change: "delete from public.task_types where name = 'test'",
  },
  {
    what: "a bucket",
    object: "row of storage.buckets",
    common: "",
    change: "update storage.buckets set public = false",
  },
];
