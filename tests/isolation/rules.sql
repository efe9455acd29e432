-- The rules that hold whatever happened in between; each answers how it is broken.
create function isolation.broken_rules()
returns setof text
language sql
as $$
  select 'the counters have drifted: ' || coalesce(d.stored::text, 'nothing') || ' for ' || coalesce(d.counted::text, 'nothing') from fairlane_core.drift() as d
  union all
  select 'a task stands ' || coalesce(t.readiness, 'nowhere') || ' and should stand ' || coalesce(fairlane_core.task_readiness(t), 'nowhere')
  from public.tasks as t
  where t.readiness is distinct from fairlane_core.task_readiness(t)
  union all
  -- Each change begins where the one before it ended: no two can have started from the same state.
  select 'the history tears: ' || coalesce(e.before, 'nothing') || ', then from ' || coalesce(e.from_status, 'nothing') || ' to ' || e.to_status
  from (
    select
      v.from_status, v.to_status, v.reason,
      lag(v.to_status) over (partition by v.task_id order by v.id) as before
    from public.task_events as v
  ) as e
  where e.before is distinct from e.from_status
  union all
  select 'the history does not end as the task: ' || t.status
  from public.tasks as t
  where t.status is distinct from (
    select e.to_status from public.task_events as e where e.task_id = t.id order by e.id desc limit 1
  )
  union all
  select 'a finished task went on to ' || e.to_status
  from public.task_events as e
  where e.from_status in ('Complete', 'Failed', 'Cancelled')
    and e.to_status <> e.from_status
    -- The one way out, for an operator.
    and not coalesce(e.to_status = 'Queued' and e.reason like 'requeued by an operator%', false)
  union all
  select r.running || ' ran at once with a limit of ' || r.task_limit
  from (
    select
      s.is_start,
      sum(s.change) over (order by s.id) as running,
      (select l.task_limit from isolation.limits as l where l.after_event < s.id order by l.after_event desc limit 1) as task_limit
    from (
      select
        e.id,
        e.to_status = 'In Progress' and e.from_status <> 'In Progress' as is_start,
        (e.to_status = 'In Progress')::integer - coalesce(e.from_status = 'In Progress', false)::integer
          - (e.reason is not distinct from 'deleted' and e.from_status = 'In Progress')::integer as change
      from public.task_events as e
    ) as s
  ) as r
  where r.is_start
    and r.running > r.task_limit
  union all
  select 'a claimer was told of a start that is not in the history'
  from isolation.replies as r
  where r.reply ? 'attempt'
    and r.reply ? 'params'
    and not exists (
      select
      from public.task_events as e
      where e.task_id = (r.reply ->> 'task_id')::uuid
        and e.to_status = 'In Progress'
        and fairlane_core.sent_name(e.worker_id) = r.session
        and e.attempt = (r.reply ->> 'attempt')::integer
    )
  union all
  select 'two claimers were told of the same lease'
  from isolation.replies as r
  where r.reply ? 'lease_token'
  group by r.reply ->> 'lease_token'
  having count(distinct r.session) > 1
  union all
  select 'a caller was told about no task'
  from isolation.replies as r
  where r.reply ? 'task_id'
    and r.reply ->> 'task_id' is null
  union all
  select 'a claimer was told of nothing, although something is claimable'
  where exists (select from isolation.replies as r where r.reply is null)
    and fairlane_core.claimable_count(('service', null, null)::fairlane_core.caller, 'gpu') > 0
  union all
  select 'a task does not have the end that its worker was told: ' || t.status
  from isolation.replies as r
    join public.tasks as t on t.id = (r.reply ->> 'task_id')::uuid
  where r.reply ->> 'status' in ('Complete', 'Failed', 'Cancelled')
    and t.status <> r.reply ->> 'status'
    and t.requeue_count = 0
  union all
  select 'a worker was told of another result than the task has: ' || coalesce(r.reply ->> 'output_location', 'none')
  from isolation.replies as r
    join public.tasks as t on t.id = (r.reply ->> 'task_id')::uuid
  where r.reply ->> 'status' = 'Complete'
    and t.output_location is distinct from r.reply ->> 'output_location'
  union all
  select 'two were told that they have ended the same task'
  from isolation.replies as r
    join public.tasks as t on t.id = (r.reply ->> 'task_id')::uuid
  where r.reply ->> 'status' in ('Complete', 'Failed', 'Cancelled')
    and (r.reply ->> 'changed')::boolean
    and t.requeue_count = 0
  group by t.id
  having count(*) > 1
  union all
  select 'a task that runs has no holder, or one that waits has one'
  from public.tasks as t
  where t.status = 'In Progress' and (t.lease_token is null or t.worker_id is null)
    or t.status = 'Queued' and (t.lease_token is not null or t.worker_id is not null)
  union all
  select 'a task counts more starts than it had: ' || t.attempts
  from public.tasks as t
  where t.attempts > (
    select count(*) from public.task_events as e where e.task_id = t.id and e.to_status = 'In Progress'
  )
  union all
  select 'a task waits for one that has ended without a result'
  from public.tasks as t
  where t.id in (isolation.id('waiting'), isolation.id('heir'))
    and t.status = 'Queued'
    -- An operator may put back the one and not the other.
    and t.requeue_count = 0
    and exists (
      select
      from fairlane_core.task_dependencies as d
        join public.tasks as p on p.id = d.depends_on
      where d.task_id = t.id
        and p.status in ('Failed', 'Cancelled')
    )
  union all
  select 'one request to create made two tasks'
  from isolation.replies as r
  where r.reply ? 'created'
  having count(distinct r.reply ->> 'task_id') > 1
    or count(*) filter (where (r.reply ->> 'created')::boolean) > 1
  union all
  select 'a task and its result name different files, or there is only one of them'
  from public.tasks as t
    full join public.generations as g on g.task_id = t.id
  where (
    t.status = 'Complete' and g.id is null and fairlane_core.creates_generation(t.task_type, t.params)
    -- A repeated child shows the record of the first one.
    and not exists (select from fairlane_core.subtasks as s where s.task_id = t.id and s.replaced_by is not null)
  )
    or (t.status <> 'Complete' and g.id is not null)
    or g.location <> t.output_location
$$;

create function isolation.expect_order()
returns void
language plpgsql
as $$
declare
  v_rule text;
begin
  for v_rule in select r from isolation.broken_rules() as r loop
    raise exception 'invariant: %', v_rule;
  end loop;
end;
$$;
