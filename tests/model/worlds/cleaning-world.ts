import type { Connection } from "../../support/db.ts";
import { ageOf, type Plan, type Planned } from "./cleaning-plans.ts";
import type { Limits, Row } from "./cleaning-rule.ts";
import { childOf } from "../../support/fleet-words.ts";

interface Task extends Planned {
  readonly id: string;
  readonly owner: number;
  readonly parent: string | null;
  readonly dependency: string | null;
}

/** Plans that share an owner. */
const PLANS_PER_OWNER = 20;

/** Writes all plans: the first task of each, what becomes of it, the second. */
export async function writeWorld(
  sql: Connection,
  plans: readonly Plan[],
  limits: Limits,
): Promise<void> {
  await sql`
    insert into public.task_types (name, is_active)
    values ('switched_off', false)
    on conflict do nothing
  `;
  const owners = await writeOwners(sql, plans.length / PLANS_PER_OWNER);
  const families = plans.map(identify);
  for (let step = 0; step < 9; step++) {
    const tasks = families.flatMap((family) => family[step] ?? []);
    if (tasks.length === 0) break;
    await insert(sql, tasks, limits, owners);
    await putIntoStates(sql, tasks, limits);
  }
  // Nobody else can, while this transaction is open.
  await sql`
    analyze public.tasks, public.task_events, fairlane_core.task_dependencies,
      fairlane_core.subtasks, fairlane_core.orchestrations, fairlane_core.user_queues
  `;
}

/** Writes the limits into the settings, for the next run of the jobs. */
export async function setLimits(
  sql: Connection,
  limits: Limits,
): Promise<void> {
  await sql`
    update fairlane_core.settings
    set stale_after = ${interval(limits.staleAfter)}::interval,
      dependency_grace = ${interval(limits.dependencyGrace)}::interval,
      finished_task_retention = ${interval(limits.retention)}::interval
  `;
}

async function writeOwners(sql: Connection, count: number): Promise<string[]> {
  const owners = await sql<{ id: string }[]>`
    with owner as (
      insert into public.users (id, credits, max_in_progress)
      select gen_random_uuid(), 100, 1000
      from generate_series(0, ${Math.ceil(count)})
      returning id
    )
    insert into public.projects (id, user_id, name)
    select id, id, 'Project of a test' from owner
    returning id
  `;
  return owners.map(({ id }) => id);
}

function identify(plan: Plan, number: number): Task[] {
  const ids = plan.map(() => crypto.randomUUID());
  return plan.map((task, n) => {
    const before = (index: number | null) =>
      index !== null && index < n ? ids[index] ?? null : null;
    const isAlone = plan.length === 1;
    return {
      ...task,
      id: ids[n] ?? "",
      owner: Math.floor(number / PLANS_PER_OWNER),
      flaw: task.flaw === "no owner" && !isAlone ? "" : task.flaw,
      parent: before(task.childOf),
      dependency: task.dependsOn !== null && task.isMissing
        ? crypto.randomUUID()
        : before(task.dependsOn),
    };
  });
}

async function insert(
  sql: Connection,
  tasks: readonly Task[],
  limits: Limits,
  owners: readonly string[],
): Promise<void> {
  const rows = tasks.map((task) => ({
    id: task.id,
    project_id: owners[task.owner],
    task_type: task.flaw === "type switched off"
      ? "switched_off"
      : task.isOrchestrator
      ? "film_orchestrator"
      : "clip",
    params: task.parent ? childOf(task.parent) : {},
    dependant_on: task.dependency,
    age: interval(ageOf(task.age, limits)),
    is_scheduled: task.flaw === "scheduled",
  }));
  await sql`
    insert into public.tasks (
      id, project_id, task_type, params, dependant_on, created_at, available_at
    )
    select
      t.id, t.project_id, t.task_type, t.params, t.dependant_on,
      fairlane_core.now() - t.age,
      case when t.is_scheduled then fairlane_core.now() + interval '1 day' end
    from jsonb_to_recordset(${sql.json(rows)}) as t (
      id uuid, project_id uuid, task_type text, params jsonb,
      dependant_on uuid, age interval, is_scheduled boolean
    )
  `;
}

async function putIntoStates(
  sql: Connection,
  tasks: readonly Task[],
  limits: Limits,
): Promise<void> {
  const ids = (which: (task: Task) => boolean) =>
    tasks.filter(which).map((task) => task.id);
  await sql`
    update public.tasks set run_type = null
    where id = any (${ids((task) => task.flaw === "no run type")}::uuid[])
  `;
  await sql`
    update public.tasks set user_id = null, project_id = null
    where id = any (${ids((task) => task.flaw === "no owner")}::uuid[])
  `;
  await sql`
    update public.tasks
    set status = 'In Progress', worker_id = 'worker-of-a-test',
      lease_token = gen_random_uuid(), attempts = attempts + 1,
      claimed_at = fairlane_core.now(), generation_started_at = fairlane_core.now()
    where status = 'Queued'
      and id = any (${ids((task) => task.state !== "never started")}::uuid[])
  `;
  await sql`
    update public.tasks set status = 'Queued'
    where id = any (${ids((task) => task.state === "started once")}::uuid[])
  `;
  const ended = tasks.filter((task) => task.state === "ended").map((task) => ({
    id: task.id,
    status: task.end,
    unchanged_for: interval(ageOf(task.unchangedFor, limits)),
  }));
  await sql`
    update public.tasks as t
    set status = e.status
    from jsonb_to_recordset(${sql.json(ended)}) as e (id uuid, status text)
    where t.id = e.id
  `;
  // Asked to derive its columns anew, a row keeps the time of its last change.
  await sql`
    update public.tasks as t
    set pool = null, updated_at = fairlane_core.now() - e.unchanged_for
    from jsonb_to_recordset(${sql.json(ended)})
      as e (id uuid, unchanged_for interval)
    where t.id = e.id
  `;
}

function interval(microseconds: number | null): string | null {
  return microseconds === null ? null : `${microseconds} microseconds`;
}

/** Every task as it stands. */
export async function readRows(sql: Connection): Promise<Row[]> {
  return [
    ...await sql<Row[]>`
      select
        t.id, t.status, t.attempts,
        t.claimed_at is not null as "wasClaimed",
        t.user_id is not null as "hasOwner",
        t.run_type is not null as "hasRunType",
        t.task_type <> 'switched_off' as "isActiveType",
        coalesce(t.available_at > fairlane_core.now(), false) as "isScheduled",
        (extract(epoch from fairlane_core.now() - greatest(
          t.created_at,
          t.available_at,
          (
            select max(c.generation_processed_at)
            from fairlane_core.task_dependencies as d
              join public.tasks as c on c.id = d.depends_on
            where d.task_id = t.id and t.status = 'Queued'
              and c.status = 'Complete'
          )
        )) * 1e6)::float as age,
        (extract(epoch from fairlane_core.now() - coalesce(t.updated_at, t.created_at))
          * 1e6)::float as "unchangedFor",
        t.params ->> fairlane_core.parent_key() as parent,
        array(
          select d.depends_on
          from fairlane_core.task_dependencies as d
          where d.task_id = t.id
        ) as "waitsFor"
      from public.tasks as t
      order by t.id
    `,
  ];
}
