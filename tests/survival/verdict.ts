import type { Connection } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { illegalStarts } from "../support/history.ts";
import { LIMIT } from "./drain.ts";
import type { Ledger } from "./ledger.ts";
import { lateRescues, rescuesOf } from "./rescues.ts";

/** What is wrong after a run, each as a sentence; none is what should come. */
export async function wrongs(
  sql: Connection,
  tasks: number,
  ledger: Ledger,
): Promise<string[]> {
  const found: string[] = [];
  const [all] = await sql<{ tasks: number }[]>`
    select count(*)::integer as tasks from public.tasks
  `;
  if (all?.tasks !== tasks) found.push(`${all?.tasks} of ${tasks} are there`);

  const rows = await sql<{ what: string }[]>`
    select format('%s is %s', t.id, t.status) as what
    from public.tasks as t
    where t.status not in ('Complete', 'Failed', 'Cancelled')
    union all
    select format('%s is Complete with %s generations', t.id, count(g.id))
    from public.tasks as t
      left join public.generations as g on g.task_id = t.id
        and g.location = t.output_location
    where t.status = 'Complete'
    group by t.id
    having count(g.id) <> 1
    union all
    select format('%s has %s generations', g.task_id, count(*))
    from public.generations as g
      left join public.tasks as t on t.id = g.task_id and t.status = 'Complete'
    group by g.task_id
    having count(*) <> 1 or bool_or(t.id is null)
    union all
    select format('%s was started %s times', t.id, t.attempts)
    from public.tasks as t
    where t.attempts > (select c.max_attempts from fairlane_core.settings as c)
    union all
    select format('%s went from %s to %s', e.task_id, e.from_status, e.to_status)
    from public.task_events as e
    where e.from_status in ('Complete', 'Failed', 'Cancelled')
      and e.to_status <> e.from_status
    union all
    select format('%s failed without a reason', t.id)
    from public.tasks as t
    where t.status = 'Failed' and coalesce(t.error_message, '') = ''
    union all
    select format('drift: %s', d) from fairlane_core.drift() as d
  `;
  found.push(...rows.map((row) => row.what));

  const ends = await sql<{ id: string; status: string; output: string }[]>`
    select id, status, output_location as output from public.tasks
  `;
  const byId = new Map(ends.map((end) => [end.id, end]));
  for (const { taskId, status, outputLocation } of ledger.told) {
    const end = byId.get(taskId);
    if (end?.status !== status || end.output !== outputLocation) {
      found.push(
        `${taskId}: a worker was told ${status} ${outputLocation}, ` +
          `it is ${end?.status} ${end?.output}`,
      );
    }
  }
  const drift = await counterDrift(sql);
  const starts = await illegalStarts(LIMIT, [], sql);
  found.push(...[...drift, ...starts].map((item) => JSON.stringify(item)));
  found.push(...lateRescues(await rescuesOf(sql)));
  return [...found, ...ledger.unexpected];
}
