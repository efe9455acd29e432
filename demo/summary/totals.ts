import type postgres from "postgres";

/** The tables, added up. */
export interface Totals {
  readonly tasks: number;
  readonly complete: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly generations: number;
  /** Complete tasks of types that make a generation. */
  readonly owed: number;
  /** Of those, how many have exactly one. */
  readonly kept: number;
  /** Tasks that ended more than once. */
  readonly endedTwice: number;
  readonly mostAttempts: number;
  /** Tasks that used every start they may have. */
  readonly exhausted: number;
  /** Tasks that were started more often than they may be. */
  readonly overdrawn: number;
  /** How often work was taken from a worker that was lost. */
  readonly putBack: number;
  readonly drift: number;
}

/** One statement, so one moment. */
export async function totals(sql: postgres.Sql): Promise<Totals> {
  const [row] = await sql<Totals[]>`
    with task as (
      select
        t.id, t.status, t.attempts,
        coalesce(t.max_attempts, y.max_attempts, s.max_attempts) as most,
        y.creates_generation is true and t.status = 'Complete' as owes_one,
        (select count(*) from public.generations as g where g.task_id = t.id) as generations
      from public.tasks as t
        cross join fairlane_core.settings as s
        left join public.task_types as y on y.name = t.task_type
    ),
    ending as (
      select e.task_id
      from public.task_events as e
      where e.to_status in ('Complete', 'Failed', 'Cancelled')
        and e.from_status is distinct from e.to_status
      group by e.task_id
      having count(*) > 1
    )
    select
      count(*)::integer as tasks,
      count(*) filter (where status = 'Complete')::integer as complete,
      count(*) filter (where status = 'Failed')::integer as failed,
      count(*) filter (where status = 'Cancelled')::integer as cancelled,
      (select count(*) from public.generations)::integer as generations,
      count(*) filter (where owes_one)::integer as owed,
      count(*) filter (where owes_one and generations = 1)::integer as kept,
      (select count(*) from ending)::integer as "endedTwice",
      coalesce(max(attempts), 0)::integer as "mostAttempts",
      count(*) filter (where attempts >= most)::integer as exhausted,
      count(*) filter (where attempts > most)::integer as overdrawn,
      (
        select count(*)
        from public.task_events as e
        where e.from_status = 'In Progress'
          and e.reason like 'Attempt % ended without a result%'
      )::integer as "putBack",
      (select count(*) from fairlane_core.drift())::integer as drift
    from task
  `;
  if (row === undefined) throw new Error("The database returned no row");
  return row;
}
