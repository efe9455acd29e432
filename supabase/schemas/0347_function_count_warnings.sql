-- When a number should not be acted on without a second look. Codes are stable (docs/errors.md).
create function queue.count_warnings(p_pool text, p_load queue.user_load_row[], p_oldest timestamptz)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_claimable integer;
  v_owners integer;
  v_sample record;
  v_arrivals integer;
  v_oldest timestamptz;
begin
  select coalesce(sum(l.claimable), 0), count(*) filter (where l.claimable > 0)
  into v_claimable, v_owners
  from unnest(p_load) as l;

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
      limit v_claimable
    ) as a;
  end if;

  -- The lists show the next tasks; old work may stand behind them. Looked for among the oldest that were never started.
  select least(p_oldest, min(o.created_at))
  into v_oldest
  from (
    select t.user_id, t.pool, t.run_type, t.created_at, t.attempts, t.params
    from public.tasks as t
    where t.standing = 'ready'
      and t.attempts = 0
      and t.created_at < v_now - interval '1 day'
    order by t.created_at
    limit 1000
  ) as o
    join queue.user_lines as l on l.user_id = o.user_id and l.pool = o.pool
  where l.is_open
    and o.run_type = 'cloud'
    and (p_pool is null or o.pool = p_pool)
    and not queue.is_stale(o.created_at, o.attempts, o.params);

  return (
    select coalesce(json_agg(json_build_object('code', w.code, 'message', w.message)), '[]')
    from (
      select 'JUMP_FROM_ZERO' as code, pg_catalog.format(
        '%s tasks are claimable, a minute ago there were none: check what they are before renting for all of them', v_claimable
      ) as message
      where v_claimable >= 10
        and v_sample.claimable = 0
        and v_arrivals < v_claimable
      union all
      select 'WORK_OLDER_THAN_A_DAY', pg_catalog.format('The oldest claimable task was enqueued at %s', v_oldest)
      where v_oldest < v_now - interval '1 day'
      union all
      select 'ONE_OWNER', pg_catalog.format('All %s claimable tasks belong to one user', v_claimable)
      where v_claimable >= 10
        and v_owners = 1
      union all
      select 'NO_WORKER_BEATING', 'There is gpu work and no worker has sent a heartbeat within the silence limit'
      where case
          when p_pool = 'gpu' then v_claimable
          when p_pool is null then queue.claimable_count(('service', null, null)::queue.caller, 'gpu')
        end > 0
        and not exists (
          select
          from public.workers as k
          where k.last_heartbeat > v_now - (select s.gpu_silence_limit from queue.settings as s)
        )
      union all
      select 'SWEEP_LATE', pg_catalog.format('The sweep last ran at %s: is pg_cron running?', coalesce(v_sample.sampled_at::text, '(never)'))
      where v_sample.sampled_at < v_now - interval '3 minutes'
        or (v_sample.sampled_at is null and v_oldest < v_now - interval '3 minutes')
    ) as w
  );
end;
$$;

comment on function queue.count_warnings(text, queue.user_load_row[], timestamptz) is
  'Warnings about a count, as [{code, message}]: JUMP_FROM_ZERO, WORK_OLDER_THAN_A_DAY, ONE_OWNER, NO_WORKER_BEATING, SWEEP_LATE.';

revoke all on function queue.count_warnings(text, queue.user_load_row[], timestamptz) from public, anon, authenticated, service_role;
