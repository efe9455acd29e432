-- What: the rescue puts 100 tasks back in a transaction, the reconcile counts five owners again, each job goes on batch
-- after batch; and what an upgrade has left of drift is mended so.
-- Why: a thousand owners in one transaction kept their claims waiting, for twenty seconds after an upgrade and for two
-- when a thousand workers were gone; and of more than a thousand some came back later than is promised.
-- Back out: apply queue.drift and queue.reconcile of 20261128140400_drift_of_totals.sql, queue.begin_batches and
-- queue.run_batch of 20261128140000_clean_in_batches.sql and the schedule of 20261123201300_schedule.sql again; drop
-- queue.reconcile_owners.

set lock_timeout = '900ms';
set statement_timeout = 0;

-- Mends the drift of these owners, one after the other under the owner's lock: under it the tasks can be counted without
-- anything moving. An owner that somebody serves is left for the next time: nobody waits for one owner while he holds
-- others.
create or replace function queue.reconcile_owners(p_owners uuid[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
set plan_cache_mode = force_custom_plan -- one for any owner would read the tasks of all
set enable_seqscan = on -- the totals are those of every task
as $$
declare
  v_user_id uuid;
  v_turns jsonb;
  v_mended integer := 0;
begin
  foreach v_user_id in array p_owners loop
    if v_user_id is null then
      perform queue.recount_totals();
      v_mended := v_mended + 1;
      continue;
    end if;

    -- The lock; a row that is gone comes back first, closed, so that there is something to lock.
    insert into queue.user_slots (user_id, task_limit, has_credits, cloud_on, local_on)
    select u.id, 0, false, false, false from public.users as u where u.id = v_user_id
    on conflict do nothing;
    perform from queue.user_slots as s where s.user_id = v_user_id for no key update skip locked;
    continue when not found and exists (select from queue.user_slots as s where s.user_id = v_user_id);

    update queue.user_slots as s
    set running = w.running, task_limit = w.task_limit, has_credits = w.has_credits, cloud_on = w.cloud_on,
      local_on = w.local_on, settings_malformed = w.settings_malformed, cloud_reason = w.cloud_reason,
      local_reason = w.local_reason
    from public.users as u
      cross join lateral queue.slots_of(
        u, (select count(*)::integer from public.tasks as t where t.user_id = v_user_id and t.standing = 'active' and t.takes_slot)
      ) as w
    where u.id = v_user_id
      and s.user_id = v_user_id;

    -- Whoever waits for a turn goes on waiting where they were.
    select coalesce(jsonb_object_agg(l.pool, l.turn_at), '{}')
    into v_turns
    from queue.user_lines as l
    where l.user_id = v_user_id;
    delete from queue.user_lines as l where l.user_id = v_user_id;
    insert into queue.user_lines
    select (r.c).*
    from (
      select jsonb_populate_record(c, jsonb_build_object('turn_at', coalesce(v_turns ->> c.pool, queue.now()::text))) as c
      from queue.recount(v_user_id) as c
    ) as r;

    delete from queue.blocked_tasks as b where b.user_id = v_user_id;
    insert into queue.blocked_tasks (user_id, pool, reason, is_cloud, task_count)
    select v_user_id, t.pool, t.standing, t.run_type is distinct from 'local', count(*)
    from public.tasks as t
    -- Not "is not distinct from", which no index serves: every owner would read what waits of all.
    where (t.user_id = v_user_id or (v_user_id = '00000000-0000-0000-0000-000000000000' and t.user_id is null))
      and t.standing not in ('ready', 'active')
    group by t.pool, t.standing, t.run_type is distinct from 'local';

    perform queue.reconcile_families(v_user_id);
    v_mended := v_mended + 1;
  end loop;
  return v_mended;
end;
$$;

comment on function queue.reconcile_owners(uuid[]) is
  'Counts again for these owners, whose counters have drifted (null: the totals), and returns how many it mended. The owners are locked until the transaction ends, and so are their claims.';

revoke all on function queue.reconcile_owners(uuid[]) from public, anon, authenticated, service_role;

-- Mends drift in one transaction, for the operator; the job does it a few owners at a time (queue.run_batch).
create or replace function queue.reconcile(p_limit integer default 100)
returns integer
language plpgsql
volatile
security definer -- writes derived state for the operator
set search_path = ''
as $$
begin
  return queue.reconcile_owners(array(
    select distinct d.user_id from queue.drift() as d order by d.user_id nulls first limit p_limit
  ));
end;
$$;

comment on function queue.reconcile(integer) is
  'Counts again for up to p_limit owners whose counters have drifted, and the totals if they have, and returns how many it mended; 0 is what should come out. Their claims wait until it is committed. Safe to repeat and to run twice at once.';

-- Users whose derived state is not what their user row and their tasks add up to, and totals that are not what all tasks
-- do. A stable function sees one snapshot, so work that is going on is never mistaken for drift.
create or replace function queue.drift()
returns table (user_id uuid, pool text, stored jsonb, counted jsonb)
language plpgsql
stable
security definer -- recount and the lines are for nobody else
set search_path = ''
set plan_cache_mode = force_custom_plan -- reads all there is, whoever asks
set enable_seqscan = on
as $$
#variable_conflict use_column
begin
  -- What runs, and what the user row allows.
  return query
  select u.id, null::text, to_jsonb(s), to_jsonb(w)
  from public.users as u
    left join (
      select t.user_id, count(*)::integer as running
      from public.tasks as t
      where t.standing = 'active' and t.takes_slot
      group by t.user_id
    ) as r on r.user_id = u.id
    left join queue.user_slots as s on s.user_id = u.id
    cross join lateral queue.slots_of(u, coalesce(r.running, 0)) as w
  where s is distinct from w;

  return query
  with counted as (
    select
      c.user_id, c.pool,
      -- The copy of running is kept up where it orders the line.
      to_jsonb(c) - 'turn_at' - 'user_id' - 'pool' - case when c.is_open then '' else 'running' end as row_counts
    from queue.recount(null) as c
    where c.ready_cloud + c.ready_cloud_orchestration + c.ready_local + c.ready_local_orchestration
      + c.active_cloud + c.active_cloud_orchestration + c.active_local + c.active_local_orchestration > 0
  ),
  stored as (
    select l.user_id, l.pool, to_jsonb(l) - 'turn_at' - 'user_id' - 'pool' - case when l.is_open then '' else 'running' end as row_counts
    from queue.user_lines as l
    where l.is_open or l.ready_cloud <> 0 or l.ready_cloud_orchestration <> 0 or l.ready_local <> 0
      or l.ready_local_orchestration <> 0 or l.active_cloud <> 0 or l.active_cloud_orchestration <> 0
      or l.active_local <> 0 or l.active_local_orchestration <> 0
  )
  select coalesce(c.user_id, s.user_id), coalesce(c.pool, s.pool), s.row_counts, c.row_counts
  from counted as c
    full join stored as s on s.user_id = c.user_id and s.pool = c.pool
  where c.row_counts is distinct from s.row_counts;

  return query
  select
    coalesce(c.user_id, s.user_id), coalesce(c.pool, s.pool),
    jsonb_build_object(coalesce(c.reason, s.reason), coalesce(s.task_count, 0)),
    jsonb_build_object(coalesce(c.reason, s.reason), coalesce(c.task_count, 0))
  from (
    select
      coalesce(t.user_id, '00000000-0000-0000-0000-000000000000') as user_id, t.pool, t.standing as reason,
      t.run_type is distinct from 'local' as is_cloud, count(*)::integer as task_count
    from public.tasks as t
    where t.standing not in ('ready', 'active')
    group by 1, 2, 3, 4
  ) as c
    full join queue.blocked_tasks as s
      on s.user_id = c.user_id and s.pool = c.pool and s.reason = c.reason and s.is_cloud = c.is_cloud
  where coalesce(c.task_count, 0) <> coalesce(s.task_count, 0);

  -- Families that are under way; the report of an orchestrator cannot be derived.
  return query
  select
    coalesce(c.user_id, s.user_id), null::text,
    to_jsonb(s) - 'changed_at' - 'enqueued_attempt', to_jsonb(c) - 'changed_at' - 'enqueued_attempt'
  from queue.recount_families(array(
    select o.id from public.tasks as o where o.standing is not null and exists (select from queue.subtasks as x where x.orchestrator_id = o.id)
    union
    select k.orchestrator_id from queue.orchestrations as k where k.ended_as is null
  )) as c
    full join (
      select k.*
      from queue.orchestrations as k
      where k.ended_as is null
        and k.open_count + k.complete_count + k.failed_count + k.cancelled_count > 0
    ) as s on s.orchestrator_id = c.orchestrator_id
  where to_jsonb(s) - 'changed_at' - 'enqueued_attempt' is distinct from to_jsonb(c) - 'changed_at' - 'enqueued_attempt'
    and (c.orchestrator_id is null or s.orchestrator_id is not null
      or c.open_count + c.complete_count + c.failed_count + c.cancelled_count > 0);

  -- Live tasks that nobody knows as the children that they are.
  return query
  select
    t.user_id, t.pool,
    (select to_jsonb(s) from queue.subtasks as s where s.task_id = t.id),
    jsonb_build_object('task_id', t.id, 'orchestrator_id', queue.parent_task_id(t.params))
  from public.tasks as t
  where t.standing is not null
    and t.user_id is not null
    and t.params ? 'orchestrator_task_id_ref'
    and queue.parent_task_id(t.params) <> t.id
    and not exists (
      select from queue.subtasks as s where s.task_id = t.id and s.orchestrator_id = queue.parent_task_id(t.params)
    );

  -- Tasks that have ended, whosever they were: what the history was counted on to, beside the tasks themselves.
  return query
  select null::uuid, null::text, jsonb_build_object(e.status, e.stored), jsonb_build_object(e.status, e.counted)
  from (
    select s.status, queue.ended_total(s.status) as stored, coalesce(c.counted, 0) as counted
    from unnest(array['Complete', 'Failed', 'Cancelled']) as s (status)
      left join (select t.status, count(*) as counted from public.tasks as t group by t.status) as c on c.status = s.status
  ) as e
  where e.stored <> e.counted;
end;
$$;

comment on function queue.drift() is
  'Derived state that is not what users and tasks add up to: owner (null for queue.status_totals), pool (null for the owner''s slots), what is stored, what was counted. No rows = no drift.';

-- The beginning of a run in batches: what is due is looked up once for all.
create or replace function queue.begin_batches(p_job text)
returns queue.batch_run
language plpgsql
volatile
security definer -- looks up and records for pg_cron
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_run queue.batch_run;
begin
  v_run.job := p_job;
  v_run.done_count := 0;
  v_run.started_at := clock_timestamp();
  v_run.is_over := false;
  begin
    v_run.due := case p_job
      -- Each batch looks anew: what is lost changes from one second to the next.
      when 'rescue' then array[]::uuid[]
      -- Those of one owner together, so that a batch locks few owners.
      when 'cleanup' then array(
        select c.task_id
        from queue.tasks_to_cancel(10000) as c
          join public.tasks as t on t.id = c.task_id
        order by t.user_id, c.created_at
      )
      when 'purge' then array(select t.id from queue.tasks_to_purge(10000) as t order by t.user_id)
      -- What takes longest comes first, before any owner is locked: the totals, and tasks that nobody owns.
      when 'reconcile' then array(select distinct d.user_id from queue.drift() as d order by d.user_id nulls first)
    end;
  exception when others then
    perform queue.record_run(p_job, v_run.started_at, jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate));
    v_run.is_over := true;
  end;
  return v_run;
end;
$$;

comment on function queue.begin_batches(text) is
  'Begins a run of cleanup, purge (up to 10,000 tasks that are due of each kind, by owner), reconcile (the owners that have drifted) or rescue (which looks anew for each batch). An error is recorded in queue.job_runs, and the run is over.';

-- The next batch of a run. To change a task takes the lock on its owner, which claims need: so a batch is small, is to be
-- committed before the next one, and claims then have the machine to themselves for three times as long. Recorded with
-- what those before it did.
create or replace function queue.run_batch(p_run queue.batch_run)
returns queue.batch_run
language plpgsql
volatile
security definer -- works for pg_cron
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  -- A cancelled task takes a millisecond; an owner is counted again in some twenty.
  v_size constant integer := case p_run.job when 'reconcile' then 5 else 50 end;
  v_started_at constant timestamptz := clock_timestamp();
  v_due uuid[] := p_run.due[p_run.done_count + 1 : p_run.done_count + v_size];
  v_batch jsonb;
begin
  begin
    v_batch := case p_run.job
      when 'cleanup' then jsonb_build_object('cancelled', queue.cancel_due(v_due))
      when 'purge' then queue.purge_kept(1000, false) || jsonb_build_object('tasks', queue.purge_tasks(v_due))
      when 'reconcile' then jsonb_build_object('mended', queue.reconcile_owners(v_due))
      -- A region that is gone takes thousands of workers along. Another rescue that runs is none of ours.
      when 'rescue' then queue.rescue(100)::jsonb - 'skipped'
    end;
    p_run.done_count := p_run.done_count + cardinality(v_due);
    p_run.is_over := case
      -- Not when it was less than a full batch: what somebody holds is passed over.
      when p_run.job = 'rescue' then coalesce((v_batch ->> 'put_back')::integer, 0) = 0
      else p_run.done_count >= cardinality(p_run.due)
        and not exists (select from jsonb_each_text(v_batch) as b where b.key <> 'tasks' and b.value::integer >= 1000)
    end or clock_timestamp() > p_run.started_at + interval '45 seconds';
    p_run.result := coalesce(
      (
        select jsonb_object_agg(b.key, b.value::bigint + coalesce((p_run.result ->> b.key)::bigint, 0))
        from jsonb_each_text(v_batch) as b
      ),
      p_run.result, '{}'
    );
  exception when others then
    p_run.result := jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate);
    p_run.is_over := true;
  end;

  perform queue.record_run(p_run.job, p_run.started_at, p_run.result);
  if p_run.is_over then
    raise log 'queue job %: %', p_run.job, p_run.result;
  end if;
  -- What is lost has waited long enough.
  p_run.pause := case p_run.job when 'rescue' then 0 else 3 end * (clock_timestamp() - v_started_at);
  return p_run;
end;
$$;

comment on function queue.run_batch(queue.batch_run) is
  'The next batch of a run of cleanup or purge: 50 tasks; purge also up to 1,000 each of logs, tokens, records of pg_cron and events; of reconcile: 5 owners; of rescue: 100 lost tasks, until none is found that could be put back. Over when all that were due have been looked at and no more of the rest is left, after 45 seconds, or when a batch fails, which is recorded.';

comment on type queue.batch_run is
  'A run of cleanup, purge, reconcile or rescue: the tasks or owners that were due when it began, how many of them it has come to, what came of it so far, how long to leave the machine to others now.';

-- The jobs that lock many owners commit after each batch. Not a procedure: one that commits can pin no search_path.
-- A minute is soon enough for the rescue (180 s after the last sign are promised); where pg_cron knows seconds (1.5 and
-- later), work of a dead worker does not wait for the full one.
select cron.schedule(j.name, j.schedule, format($job$do $$
declare
  v_run queue.batch_run := queue.begin_batches(%L);
begin
  while not v_run.is_over loop
    v_run := queue.run_batch(v_run);
    commit;
    perform pg_catalog.pg_sleep_for(v_run.pause);
  end loop;
end;
$$$job$, j.job))
from (
  values
    ('queue-cleanup', '*/10 * * * *', 'cleanup'),
    ('queue-purge', '7 * * * *', 'purge'),
    ('queue-reconcile', '17 * * * *', 'reconcile'),
    (
      'queue-rescue',
      case
        when (select regexp_match(e.extversion, '^(\d+)\.(\d+)')::integer[] >= array[1, 5] from pg_extension as e where e.extname = 'pg_cron')
          then '20 seconds'
        else '* * * * *'
      end,
      'rescue'
    )
) as j (name, schedule, job);

-- Owners whose tasks came and went while the migrations ran: for a moment of them the rules are there and not all that
-- they count with.
do $$
declare
  v_size constant integer := 5;
  v_owners uuid[];
begin
  -- Owners that somebody served meanwhile are left; what still drifts after so many tries is left to the job.
  for v_try in 1 .. 20 loop
    -- What takes longest comes first, before any owner is locked: the totals, and tasks that nobody owns.
    v_owners := array(select distinct d.user_id from queue.drift() as d order by d.user_id nulls first);
    exit when cardinality(v_owners) = 0;
    for v_at in 1 .. cardinality(v_owners) by v_size loop
      perform queue.reconcile_owners(v_owners[v_at : v_at + v_size - 1]);
      commit;
    end loop;
  end loop;
end;
$$;
