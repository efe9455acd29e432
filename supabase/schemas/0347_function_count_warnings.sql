-- When a number should not be acted on without a second look. Codes are stable (docs/errors.md).
create function queue.count_warnings(p_pool text, p_load queue.load_summary, p_oldest timestamptz)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_sample record;
  v_arrivals integer;
begin
  select m.sampled_at, sum(m.claimable) as claimable, max(m.last_event_id) as last_event_id
  into v_sample
  from queue.minute_samples as m
  where m.sampled_at = (select max(x.sampled_at) from queue.minute_samples as x where x.sampled_at < v_now)
    and (p_pool is null or m.pool = p_pool)
  group by m.sampled_at;

  -- What was enqueued since explains that many.
  if v_sample.claimable = 0 then
    select count(*)
    into v_arrivals
    from (
      select
      from public.task_events as e
        join public.tasks as t on t.id = e.task_id
      where e.id > v_sample.last_event_id
        and e.from_status is null
        and (p_pool is null or t.pool = p_pool)
      limit p_load.claimable
    ) as a;
  end if;

  return (
    select coalesce(json_agg(json_build_object('code', w.code, 'message', w.message)), '[]')
    from (
      select 'JUMP_FROM_ZERO' as code, pg_catalog.format(
        '%s tasks are claimable, a minute ago there were none: check what they are before renting for all of them', p_load.claimable
      ) as message
      where p_load.claimable >= 10
        and v_sample.claimable = 0
        and v_arrivals < p_load.claimable
      union all
      select 'WORK_OLDER_THAN_A_DAY', pg_catalog.format('The oldest claimable task could run since %s', p_oldest)
      where p_oldest < v_now - interval '1 day'
      union all
      select 'SETTLING', pg_catalog.format(
        'Since %s a change is being carried out for all tasks that it concerns; what it has not reached does not count as claimable',
        min(k.since)
      )
      from queue.deferred_work as k
      where k.task_type is not null
      having count(*) > 0
      union all
      select 'ONE_OWNER', pg_catalog.format('All %s claimable tasks belong to one user', p_load.claimable)
      where p_load.claimable >= 10
        and p_load.owners = 1
      union all
      select 'NO_WORKER_BEATING', 'There is gpu work and no worker has sent a heartbeat within the silence limit'
      where case
          when p_pool = 'gpu' then p_load.claimable
          when p_pool is null then queue.claimable_count(('service', null, null)::queue.caller, 'gpu')
        end > 0
        and not exists (
          select
          from public.workers as k
          -- A last beat, and those of machines that were sent away, bring no worker.
          where k.status not in ('terminating', 'terminated', 'error', 'crashed')
            and queue.is_beating(k.last_heartbeat)
            and k.instance_type <> 'api'
        )
      union all
      -- One warning for all jobs: when pg_cron stands still, all of them do.
      select case when l.is_failing then 'JOB_FAILED' else 'JOB_LATE' end, string_agg(l.message, '; ' order by l.job)
      from queue.late_jobs() as l
      group by l.is_failing
    ) as w
  );
end;
$$;

comment on function queue.count_warnings(text, queue.load_summary, timestamptz) is
  'Warnings about a count, as [{code, message}]: JUMP_FROM_ZERO, WORK_OLDER_THAN_A_DAY, ONE_OWNER, NO_WORKER_BEATING, JOB_FAILED, JOB_LATE.';

revoke all on function queue.count_warnings(text, queue.load_summary, timestamptz) from public, anon, authenticated, service_role;
