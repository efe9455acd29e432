-- Deletes old rows: finished tasks, logs, tokens, history, workers.

-- Deletes what is kept for a limited time: logs, tokens and workers that have ended, pg_cron's records of the queue's
-- jobs, and, when the settings say so, history and finished tasks. Locked rows are left for the next run.
-- Deletes up to p_limit each of: logs older than log_retention, tokens that ended 30 days ago, records of pg_cron older
-- than 7 days, history older than event_retention or of users deleted longer than deleted_user_retention ago, finished
-- tasks older than finished_task_retention (event_retention and this one are off while null), rows of workers that
-- ended longer than worker_retention ago; and begins to delete owners whose account is gone. Returns {logs, tokens,
-- cron_runs, events, workers, owners, tasks, dry_run}; a dry run changes nothing, counts, and lists the tasks: due:
-- [{task_id, status, reason}].
create function fairlane_core.purge(p_limit integer default 5000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security definer -- deletes for pg_cron and the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- a plan for an empty list of ids may read all there is
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_tasks uuid[] := array(select t.id from fairlane_core.tasks_to_purge(p_limit) as t);
begin
  if p_dry_run then
    return fairlane_core.purge_kept(p_limit, true) || jsonb_build_object(
      'owners', (select count(*) from fairlane_core.owners_without_account(p_limit)),
      'tasks', cardinality(v_tasks),
      'due', (
        select coalesce(jsonb_agg(jsonb_build_object(
          'task_id', t.id, 'status', t.status, 'reason', pg_catalog.format('Finished, not changed since %s', coalesce(t.updated_at, t.created_at))
        ) order by t.updated_at), '[]')
        from fairlane.tasks as t
        where t.id = any (v_tasks)
      ),
      'dry_run', true
    );
  end if;
  return fairlane_core.purge_kept(p_limit, false) || jsonb_build_object(
    'owners', fairlane_core.delete_owners_without_account(p_limit),
    'tasks', fairlane_core.purge_tasks(v_tasks),
    'dry_run', false
  );
end;
$$;

-- Up to p_limit finished tasks that nobody needs any more (fairlane_core.may_be_purged); none while
-- fairlane_core.settings.finished_task_retention is null. No index orders them by age, so this scans the table: call it
-- once for many.
create function fairlane_core.tasks_to_purge(p_limit integer)
returns setof fairlane.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if (select s.finished_task_retention is null from fairlane_core.settings as s) then
    return;
  end if;

  return query
  select t.*
  from fairlane.tasks as t
  where t.status in ('Complete', 'Failed', 'Cancelled')
    and coalesce(t.updated_at, t.created_at) < fairlane_core.now() - (select s.finished_task_retention from fairlane_core.settings as s)
    and fairlane_core.may_be_purged(t)
  limit p_limit;
end;
$$;

-- Deletes those of these finished tasks that nobody needs. Locked tasks, and all tasks of a locked owner, are left for
-- the next run; tasks that were requeued since are no longer finished.
create function fairlane_core.purge_tasks(p_task_ids uuid[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '100ms' -- restored when the function ends; the effective value is set below
as $$
declare
  v_of_owner uuid[];
  v_held uuid[];
  v_count integer;
  v_total integer := 0;
begin
  perform fairlane_core.set_event_context('fairlane_core.purge');
  perform fairlane_core.limit_lock_waits(0.4);
  for v_of_owner in
    select array_agg(t.id) from fairlane.tasks as t where t.id = any (p_task_ids) group by t.user_id order by t.user_id
  loop
    begin
      v_held := array(
        select t.id
        from fairlane.tasks as t
        where t.id = any (v_of_owner)
        order by t.id
        for update skip locked
      );

      delete from fairlane.tasks as t
      where t.id = any (v_held)
        and fairlane_core.may_be_purged(t);
      get diagnostics v_count = row_count;
      v_total := v_total + v_count;
    exception when lock_not_available then
      perform set_config('lock_timeout', '1ms', true);
    end;
  end loop;
  perform fairlane_core.set_event_context(null);
  return v_total;
end;
$$;

-- Whether nobody needs a finished task any more: it ended longer than fairlane_core.settings.finished_task_retention
-- ago (never while that is null), no live task waits for it or is its child (and would end with it), and no live parent
-- counts it.
create function fairlane_core.may_be_purged(p_task fairlane.tasks)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return p_task.status in ('Complete', 'Failed', 'Cancelled')
    and coalesce(p_task.updated_at, p_task.created_at) < fairlane_core.now() - (select s.finished_task_retention from fairlane_core.settings as s)
    and not exists (
      select
      from fairlane_core.task_dependencies as d
        join fairlane.tasks as x on x.id = d.task_id
      where d.depends_on = p_task.id
        and x.status in ('Queued', 'In Progress')
    )
    and not exists (
      select
      from fairlane_core.subtasks as s
        join fairlane.tasks as x on x.id = s.task_id
      where s.orchestrator_id = p_task.id
        and x.status in ('Queued', 'In Progress')
    )
    and not exists (
      select
      from fairlane.tasks as p
      where p.id = fairlane_core.parent_task_id(p_task.params)
        and p.status in ('Queued', 'In Progress')
    );
end;
$$;

-- Deletes, up to p_limit of each, expired rows that no claim ever reads: logs, ended tokens, records of pg_cron,
-- history (all of it for deleted users), rows of ended workers. Returns how many: {logs, tokens, cron_runs, events,
-- workers}. A dry run only counts.
create function fairlane_core.purge_kept(p_limit integer, p_dry_run boolean)
returns jsonb
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings;
  v_logs bigint[];
  v_tokens uuid[];
  v_cron_runs bigint[] := array[]::bigint[];
  v_events bigint[];
  v_forgotten bigint[];
  v_workers text[];
begin
  select s.* into v_settings from fairlane_core.settings as s;

  v_logs := array(
    select l.id
    from fairlane.system_logs as l
    where l."timestamp" < v_now - v_settings.log_retention
    order by l."timestamp"
    limit p_limit
    for update skip locked
  );

  v_tokens := array(
    select k.id
    from fairlane.user_api_tokens as k
    where least(k.expires_at, k.revoked_at) < v_now - interval '30 days'
    limit p_limit
    for update skip locked
  );

  -- Of the queue's jobs only, where pg_cron runs them.
  if to_regclass('cron.job_run_details') is not null then
    v_cron_runs := array(
      select r.runid
      from cron.job_run_details as r
      where coalesce(r.end_time, r.start_time) < v_now - interval '7 days'
        and r.command like '%fairlane_core.%'
      limit p_limit
      for update skip locked
    );
  end if;

  -- Ids grow with time: only the oldest need to be read.
  v_events := array(
    select o.id
    from (select e.id, e.at from fairlane.task_events as e order by e.id limit p_limit) as o
    where o.at < v_now - v_settings.event_retention
  );

  -- Ended for that long. A worker that still sends heartbeats or claims, or whose children are running, is kept.
  v_workers := array(
    select w.id
    from fairlane.workers as w
    where fairlane_core.has_ended(w.status)
      and greatest(w.ended_at, w.last_heartbeat, w.created_at) < v_now - v_settings.worker_retention
      and not exists (
        select from fairlane_core.claim_refusals as r where r.worker_id = w.id and r.last_at >= v_now - v_settings.worker_retention
      )
      and not exists (
        select from fairlane.tasks as t where t.worker_id = w.id and t.status = 'In Progress' and t.token_id is null
      )
    order by w.id
    limit p_limit
    for update skip locked
  );

  -- The history of deleted users.
  v_forgotten := array(
    select f.id
    from fairlane_core.deleted_users as d
      cross join lateral (select e.id from fairlane.task_events as e where e.user_id = d.user_id limit p_limit) as f
    where d.deleted_at <= v_now - v_settings.deleted_user_retention
    limit p_limit
  );

  if not p_dry_run then
    delete from fairlane.system_logs as l where l.id = any (v_logs);
    delete from fairlane.user_api_tokens as k where k.id = any (v_tokens);
    if cardinality(v_cron_runs) > 0 then
      delete from cron.job_run_details as r where r.runid = any (v_cron_runs);
    end if;
    delete from fairlane.task_events as e where e.id = any (v_events || v_forgotten);
    delete from fairlane_core.blocked_tasks as b
    using fairlane_core.deleted_users as d
    where b.user_id = d.user_id
      and d.deleted_at <= v_now - v_settings.deleted_user_retention;
    delete from fairlane_core.deleted_users as d
    where d.deleted_at <= v_now - v_settings.deleted_user_retention
      and not exists (select from fairlane.task_events as e where e.user_id = d.user_id);
    delete from fairlane.workers as w where w.id = any (v_workers);
    delete from fairlane_core.claim_refusals as r
    where r.worker_id = any (v_workers)
      or r.last_at < v_now - interval '7 days';
  end if;
  return jsonb_build_object(
    'logs', cardinality(v_logs), 'tokens', cardinality(v_tokens), 'cron_runs', cardinality(v_cron_runs),
    'events', cardinality(v_events || v_forgotten), 'workers', cardinality(v_workers)
  );
end;
$$;
