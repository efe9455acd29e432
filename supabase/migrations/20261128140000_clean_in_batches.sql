-- What: cleanup and purge run in small batches, each its own transaction, and look at each task once more under its lock.
-- Why: a thousand tasks in one transaction held their owners' locks, which claims need, until the last of them was done.
-- Back out: apply the functions of 20261123201100_operations.sql again and schedule their jobs as 20261123201300_schedule.sql does.

set lock_timeout = '900ms';

-- A run of a job that cleans, between two of its batches.
create type queue.batch_run as (
  job text,
  due uuid[],
  done_count integer,
  result jsonb,
  started_at timestamptz,
  pause interval,
  is_over boolean
);

comment on type queue.batch_run is
  'A run of cleanup or purge: the tasks that were due when it began, how many of them it has come to, what came of it so far, how long to leave the machine to others now.';

-- Why the cleanup cancels a queued task, or null: nobody ever started it and nobody waits for it any more, or it waits for
-- what cannot come. Asked of what was found, and once more under the lock, because much can happen in between.
create or replace function queue.reason_to_cancel(p_task public.tasks)
returns text
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
begin
  select s.* into v_settings from queue.settings as s;

  -- What waits for a lost task can never run, nor can what waits for that.
  if p_task.standing = 'dependency_lost' then
    return case when coalesce(p_task.updated_at, p_task.created_at) < v_now - v_settings.dependency_grace then
      'Cancelled by the cleanup: a task it waits for failed, was cancelled or does not exist'
    end;
  elsif p_task.standing is null
    or p_task.standing not in ('no_owner', 'no_run_type', 'type_inactive', 'dependency_pending', 'stale')
    or p_task.claimed_at is not null
    or not queue.is_stale(p_task.created_at, p_task.attempts, p_task.params) then
    return null;
  end if;

  -- What would be cancelled along: tasks that wait for it, its children, and so on. One that was started or is fresh
  -- keeps it. Most have nobody, which two looks at an index can tell.
  if (
    exists (select from queue.task_dependencies as d where d.depends_on = p_task.id)
    or exists (select from queue.subtasks as s where s.orchestrator_id = p_task.id)
  ) and exists (
    with recursive along (id) as (
      select p_task.id
      union
      select n.id
      from along as a
        join public.tasks as q on q.id = a.id and q.status in ('Queued', 'In Progress')
        cross join lateral (
          select d.task_id as id from queue.task_dependencies as d where d.depends_on = q.id
          union all
          select s.task_id from queue.subtasks as s where s.orchestrator_id = q.id
        ) as n
    )
    select
    from along as a
      join public.tasks as x on x.id = a.id
    where x.id <> p_task.id
      and x.user_id is not distinct from p_task.user_id
      and (
        x.status = 'In Progress'
        or x.status = 'Queued' and (
          x.attempts > 0
          or x.created_at >= v_now - v_settings.stale_after
          or not queue.is_stale(x.created_at, x.attempts, x.params)
          and queue.parent_task_id(x.params) not in (select o.id from along as o)
        )
      )
  ) then
    return null;
  end if;

  return pg_catalog.format('Cancelled by the cleanup: enqueued %s, never started (%s)', p_task.created_at, p_task.standing);
end;
$$;

comment on function queue.reason_to_cancel(public.tasks) is
  'Why the cleanup would cancel this task, null when it would not: never started, older than queue.settings.stale_after, no live parent, no fresh child and no fresh task that waits for it in any number of steps; or waiting longer than dependency_grace for a task that cannot come.';

revoke all on function queue.reason_to_cancel(public.tasks) from public, anon, authenticated, service_role;

-- Whether nobody needs a finished task any more: it has been kept for as long as the settings say, no live task waits for
-- it or is its child (and would go with it), and no live parent counts it.
create or replace function queue.may_be_purged(p_task public.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return p_task.status in ('Complete', 'Failed', 'Cancelled')
    and coalesce(p_task.updated_at, p_task.created_at) < queue.now() - (select s.finished_task_retention from queue.settings as s)
    and not exists (
      select
      from queue.task_dependencies as d
        join public.tasks as x on x.id = d.task_id
      where d.depends_on = p_task.id
        and x.status in ('Queued', 'In Progress')
    )
    and not exists (
      select
      from queue.subtasks as s
        join public.tasks as x on x.id = s.task_id
      where s.orchestrator_id = p_task.id
        and x.status in ('Queued', 'In Progress')
    )
    and not exists (
      select
      from public.tasks as p
      where p.id = queue.parent_task_id(p_task.params)
        and p.status in ('Queued', 'In Progress')
    );
end;
$$;

comment on function queue.may_be_purged(public.tasks) is
  'Whether this task ended longer than queue.settings.finished_task_retention ago (never while that is null) and no live task waits for it, is its child or is its parent.';

revoke all on function queue.may_be_purged(public.tasks) from public, anon, authenticated, service_role;

-- Finished tasks that nobody needs any more. Nothing leads to them in the order of their age, so this looks through the
-- table: ask once for many.
create or replace function queue.tasks_to_purge(p_limit integer)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if (select s.finished_task_retention is null from queue.settings as s) then
    return;
  end if;

  return query
  select t.*
  from public.tasks as t
  where t.status in ('Complete', 'Failed', 'Cancelled')
    and coalesce(t.updated_at, t.created_at) < queue.now() - (select s.finished_task_retention from queue.settings as s)
    and queue.may_be_purged(t)
  limit p_limit;
end;
$$;

comment on function queue.tasks_to_purge(integer) is
  'Up to p_limit finished tasks that may be deleted (queue.may_be_purged); none while queue.settings.finished_task_retention is null.';

revoke all on function queue.tasks_to_purge(integer) from public, anon, authenticated, service_role;

-- Cancels those of these tasks that are still due. What somebody holds is left for the next time, and what was claimed,
-- put back or given its missing dependency since it was found is due no more.
create or replace function queue.cancel_due(p_task_ids uuid[], p_actor text default 'queue.cleanup')
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_held uuid[];
  v_count integer;
begin
  v_held := array(
    select t.id
    from public.tasks as t
    where t.id = any (p_task_ids)
      and t.status = 'Queued'
    order by t.id
    for no key update skip locked
  );

  perform queue.say(p_actor);
  with due as materialized (
    select t.id, queue.reason_to_cancel(t) as reason
    from public.tasks as t
    where t.id = any (v_held)
  )
  update public.tasks as t
  set status = 'Cancelled', error_message = d.reason
  from due as d
  where t.id = d.id
    and d.reason is not null;
  get diagnostics v_count = row_count;
  perform queue.say(null);
  return v_count;
end;
$$;

comment on function queue.cancel_due(uuid[], text) is
  'Cancels those of these tasks that have a reason (queue.reason_to_cancel) and that nobody holds, and returns how many.';

revoke all on function queue.cancel_due(uuid[], text) from public, anon, authenticated, service_role;

-- Deletes those of these finished tasks that nobody needs. What somebody holds is left for the next time, and what was put
-- back into the queue since it was found is not finished any more.
create or replace function queue.purge_tasks(p_task_ids uuid[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_held uuid[];
  v_count integer;
begin
  v_held := array(
    select t.id
    from public.tasks as t
    where t.id = any (p_task_ids)
    order by t.id
    for update skip locked
  );

  perform queue.say('queue.purge');
  delete from public.tasks as t
  where t.id = any (v_held)
    and queue.may_be_purged(t);
  get diagnostics v_count = row_count;
  perform queue.say(null);
  return v_count;
end;
$$;

comment on function queue.purge_tasks(uuid[]) is
  'Deletes those of these tasks that may be purged (queue.may_be_purged) and that nobody holds, and returns how many.';

revoke all on function queue.purge_tasks(uuid[]) from public, anon, authenticated, service_role;

-- Deletes what is kept for a time only and that no claim ever looks at: logs, ended tokens, records of pg_cron, history.
create or replace function queue.purge_kept(p_limit integer, p_dry_run boolean)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
  v_logs bigint[];
  v_tokens uuid[];
  v_cron_runs bigint[];
  v_events bigint[];
begin
  select s.* into v_settings from queue.settings as s;

  v_logs := array(
    select l.id
    from public.system_logs as l
    where l."timestamp" < v_now - v_settings.log_retention
    order by l."timestamp"
    limit p_limit
    for update skip locked
  );

  v_tokens := array(
    select k.id
    from public.user_api_tokens as k
    where least(k.expires_at, k.revoked_at) < v_now - interval '30 days'
    limit p_limit
    for update skip locked
  );

  v_cron_runs := array(
    select r.runid
    from cron.job_run_details as r
    where coalesce(r.end_time, r.start_time) < v_now - interval '7 days'
    limit p_limit
    for update skip locked
  );

  -- Ids grow with time: only the oldest need to be looked at.
  v_events := array(
    select o.id
    from (select e.id, e.at from public.task_events as e order by e.id limit p_limit) as o
    where o.at < v_now - v_settings.event_retention
  );

  if not p_dry_run then
    delete from public.system_logs as l where l.id = any (v_logs);
    delete from public.user_api_tokens as k where k.id = any (v_tokens);
    delete from cron.job_run_details as r where r.runid = any (v_cron_runs);
    delete from public.task_events as e where e.id = any (v_events);
  end if;
  return jsonb_build_object(
    'logs', cardinality(v_logs), 'tokens', cardinality(v_tokens), 'cron_runs', cardinality(v_cron_runs),
    'events', cardinality(v_events)
  );
end;
$$;

comment on function queue.purge_kept(integer, boolean) is
  'Deletes up to p_limit each of logs, tokens, records of pg_cron and events that have been kept for long enough, and returns how many: {logs, tokens, cron_runs, events}. A dry run only counts.';

revoke all on function queue.purge_kept(integer, boolean) from public, anon, authenticated, service_role;

-- What a run of a job came to: its row in queue.job_runs is what health, warnings and operators look at.
create or replace function queue.record_run(p_job text, p_started_at timestamptz, p_result jsonb)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_result ? 'error' then
    raise warning 'queue job % failed: % (%)', p_job, p_result ->> 'error', p_result ->> 'sqlstate';
    update queue.job_runs as r
    set failed_at = queue.now(), error = pg_catalog.format('%s (%s)', p_result ->> 'error', p_result ->> 'sqlstate')
    where r.job = p_job;
    return;
  end if;

  update queue.job_runs as r
  set ran_at = queue.now(), took = clock_timestamp() - p_started_at, result = p_result
  where r.job = p_job;
end;
$$;

comment on function queue.record_run(text, timestamptz, jsonb) is
  'Writes into queue.job_runs what this run did, or, when p_result is {error, sqlstate}, why it failed.';

revoke all on function queue.record_run(text, timestamptz, jsonb) from public, anon, authenticated, service_role;

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
      -- Those of one owner together, so that a batch locks few owners.
      when 'cleanup' then array(
        select c.task_id
        from queue.tasks_to_cancel(10000) as c
          join public.tasks as t on t.id = c.task_id
        order by t.user_id, c.created_at
      )
      when 'purge' then array(select t.id from queue.tasks_to_purge(10000) as t order by t.user_id)
    end;
  exception when others then
    perform queue.record_run(p_job, v_run.started_at, jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate));
    v_run.is_over := true;
  end;
  return v_run;
end;
$$;

comment on function queue.begin_batches(text) is
  'Begins a run of cleanup or purge: up to 10,000 tasks that are due (of each kind), by owner. An error is recorded in queue.job_runs, and the run is over.';

revoke all on function queue.begin_batches(text) from public, anon, authenticated, service_role;

-- The next batch of a run. To change a task takes the lock on its owner, which claims need: so a batch is small, is to be
-- committed before the next one, and claims then have the machine to themselves for three times as long. Recorded with
-- what those before it did.
create or replace function queue.run_batch(p_run queue.batch_run)
returns queue.batch_run
language plpgsql
volatile
security definer -- cleans for pg_cron
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_size constant integer := 50;
  v_started_at constant timestamptz := clock_timestamp();
  v_tasks uuid[] := p_run.due[p_run.done_count + 1 : p_run.done_count + v_size];
  v_batch jsonb;
begin
  begin
    v_batch := case p_run.job
      when 'cleanup' then jsonb_build_object('cancelled', queue.cancel_due(v_tasks))
      when 'purge' then queue.purge_kept(1000, false) || jsonb_build_object('tasks', queue.purge_tasks(v_tasks))
    end;
    p_run.done_count := p_run.done_count + cardinality(v_tasks);
    p_run.is_over := (
      p_run.done_count >= cardinality(p_run.due)
      and not exists (select from jsonb_each_text(v_batch) as b where b.key <> 'tasks' and b.value::integer >= 1000)
    ) or clock_timestamp() > p_run.started_at + interval '45 seconds';
    p_run.result := (
      select jsonb_object_agg(b.key, b.value::bigint + coalesce((p_run.result ->> b.key)::bigint, 0))
      from jsonb_each_text(v_batch) as b
    );
  exception when others then
    p_run.result := jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate);
    p_run.is_over := true;
  end;

  perform queue.record_run(p_run.job, p_run.started_at, p_run.result);
  if p_run.is_over then
    raise log 'queue job %: %', p_run.job, p_run.result;
  end if;
  p_run.pause := 3 * (clock_timestamp() - v_started_at);
  return p_run;
end;
$$;

comment on function queue.run_batch(queue.batch_run) is
  'The next batch of a run of cleanup or purge: 50 tasks; purge also up to 1,000 each of logs, tokens, records of pg_cron and events. Over when all tasks that were due have been looked at and no more of the rest is left, after 45 seconds, or when a batch fails, which is recorded.';

revoke all on function queue.run_batch(queue.batch_run) from public, anon, authenticated, service_role;

-- Queued tasks that will never run or that nobody waits for any more, and why: what the cleanup cancels.
create or replace function queue.tasks_to_cancel(p_limit integer)
returns table (task_id uuid, created_at timestamptz, reason text)
language plpgsql
stable
security invoker
set search_path = ''
as $$
#variable_conflict use_column
declare
  v_old_before timestamptz := queue.now() - (select s.stale_after from queue.settings as s);
  v_found integer;
begin
  return query
  select t.id, t.created_at, r.reason
  from public.tasks as t
    cross join lateral (select queue.reason_to_cancel(t) as reason) as r
  where t.standing in ('no_owner', 'no_run_type', 'type_inactive', 'dependency_pending', 'stale')
    and t.created_at < v_old_before
    and r.reason is not null
  order by t.created_at
  limit p_limit;
  get diagnostics v_found = row_count;

  -- The index knows both kinds by age alone: not past all of the first for a few of the second. They come next time.
  if v_found = p_limit then
    return;
  end if;
  return query
  select t.id, t.created_at, r.reason
  from public.tasks as t
    cross join lateral (select queue.reason_to_cancel(t) as reason) as r
  where t.standing = 'dependency_lost'
    and r.reason is not null
  order by t.created_at
  limit p_limit;
end;
$$;

comment on function queue.tasks_to_cancel(integer) is
  'Up to p_limit tasks that the cleanup would cancel because they were never started and are too old; if those are fewer, also up to p_limit that wait for what cannot come. Each with the reason (queue.reason_to_cancel).';

revoke all on function queue.tasks_to_cancel(integer) from public, anon, authenticated, service_role;

-- Cancels what queue.tasks_to_cancel names. A dry run does the same and takes it back, so it lists what would happen,
-- with all that would go along.
create or replace function queue.cleanup(p_limit integer default 1000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security definer -- ends tasks for pg_cron and the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_due uuid[] := array(select c.task_id from queue.tasks_to_cancel(p_limit) as c);
  v_last_event_id bigint;
  -- A name of its own in the history, to tell the events of this dry run from all others.
  v_rehearsal text;
  v_listed json;
begin
  if not p_dry_run then
    return json_build_object('cancelled', queue.cancel_due(v_due), 'dry_run', false);
  end if;

  v_last_event_id := (select max(e.id) from public.task_events as e);
  v_rehearsal := 'queue.cleanup ' || pg_current_xact_id();
  begin
    perform queue.cancel_due(v_due, v_rehearsal);
    v_listed := (
      select json_agg(
        json_build_object('task_id', t.id, 'created_at', t.created_at, 'status', e.to_status, 'reason', e.reason) order by e.id
      )
      from public.task_events as e
        join public.tasks as t on t.id = e.task_id
      where e.id > coalesce(v_last_event_id, 0)
        and e.actor = v_rehearsal
    );
    raise sqlstate 'QU002' using message = 'This was a dry run, all of it is taken back';
  exception when sqlstate 'QU002' then
    perform queue.say(null);
  end;
  return json_build_object('cancelled', 0, 'due', coalesce(v_listed, '[]'), 'dry_run', true);
end;
$$;

comment on function queue.cleanup(integer, boolean) is
  'Cancels tasks that were never started and are too old, or that can never run, up to p_limit of each kind; returns {cancelled}. A dry run changes nothing and lists what would end, with what would go along: {cancelled: 0, due: [{task_id, created_at, status, reason}]}. Safe to repeat and to run twice at once.';

revoke all on function queue.cleanup(integer, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.cleanup(integer, boolean) to service_role;

-- Deletes what is kept for a time only: logs, tokens that have ended, what pg_cron wrote about its runs, and, when the
-- settings say so, history and finished tasks. Rows that somebody holds are left for the next time.
create or replace function queue.purge(p_limit integer default 5000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security definer -- deletes for pg_cron and the operator
set search_path = ''
as $$
declare
  v_tasks uuid[] := array(select t.id from queue.tasks_to_purge(p_limit) as t);
begin
  if p_dry_run then
    return queue.purge_kept(p_limit, true) || jsonb_build_object(
      'tasks', cardinality(v_tasks),
      'due', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'task_id', t.id, 'status', t.status, 'reason', pg_catalog.format('Finished, not changed since %s', coalesce(t.updated_at, t.created_at))
        ) order by t.updated_at), '[]')
        from public.tasks as t
        where t.id = any (v_tasks)
      ),
      'dry_run', true
    );
  end if;
  return queue.purge_kept(p_limit, false) || jsonb_build_object('tasks', queue.purge_tasks(v_tasks), 'dry_run', false);
end;
$$;

comment on function queue.purge(integer, boolean) is
  'Deletes up to p_limit each of: logs older than log_retention, tokens that ended 30 days ago, records of pg_cron older than 7 days, history older than event_retention, finished tasks older than finished_task_retention (both off while null). Returns {logs, tokens, cron_runs, events, tasks, dry_run}; a dry run changes nothing, counts, and lists the tasks: due: [{task_id, status, reason}].';

revoke all on function queue.purge(integer, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.purge(integer, boolean) to service_role;

-- What pg_cron calls, and an operator by hand. A job that fails is recorded instead of raised: a raised error would take
-- the record with it.
create or replace function queue.run_job(p_job text)
returns jsonb
language plpgsql
volatile
security definer -- writes job_runs for pg_cron and the operator
set search_path = ''
as $$
declare
  v_started_at timestamptz := clock_timestamp();
  v_result jsonb;
begin
  begin
    v_result := case p_job
      when 'sweep' then queue.sweep()::jsonb
      when 'rescue' then queue.rescue()::jsonb
      when 'mend_orchestrations' then queue.mend_orchestrations()::jsonb
      when 'count_on' then queue.count_on()::jsonb
      when 'cleanup' then queue.cleanup()::jsonb
      when 'purge' then queue.purge()::jsonb
      when 'reconcile' then jsonb_build_object('mended', queue.reconcile())
    end;
    if v_result is null then
      perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('There is no job %s', p_job));
    end if;
  exception when others then
    v_result := jsonb_build_object('error', sqlerrm, 'sqlstate', sqlstate);
  end;

  perform queue.record_run(p_job, v_started_at, v_result);
  raise log 'queue job %: %', p_job, v_result;
  return v_result;
end;
$$;

comment on function queue.run_job(text) is
  'Runs one job (sweep, rescue, mend_orchestrations, count_on, cleanup, purge, reconcile) in one transaction and records in queue.job_runs when, how long and what it did, or why it failed. Returns what it did, or {error, sqlstate}.';

revoke all on function queue.run_job(text) from public, anon, authenticated, service_role;
grant execute on function queue.run_job(text) to service_role;

-- The jobs that clean commit after each batch. Not a procedure: one that commits can pin no search_path.
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
from (values ('queue-cleanup', '*/10 * * * *', 'cleanup'), ('queue-purge', '7 * * * *', 'purge')) as j (name, schedule, job);
-- The purge deletes these now, and is watched.
select cron.unschedule(j.jobid) from cron.job as j where j.jobname = 'queue-purge-cron-history';
