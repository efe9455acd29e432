-- Deletes what is kept for a time only: logs, tokens and workers that have ended, what pg_cron wrote about its runs, and,
-- when the settings say so, history and finished tasks. Rows that somebody holds are left for the next time.
create function queue.purge(p_limit integer default 5000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security definer -- deletes for pg_cron and the operator
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
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
  'Deletes up to p_limit each of: logs older than log_retention, tokens that ended 30 days ago, records of pg_cron older than 7 days, history older than event_retention or of users deleted longer than deleted_user_retention ago, finished tasks older than finished_task_retention (event_retention and this one are off while null), rows of workers that ended longer than worker_retention ago. Returns {logs, tokens, cron_runs, events, workers, tasks, dry_run}; a dry run changes nothing, counts, and lists the tasks: due: [{task_id, status, reason}].';

revoke all on function queue.purge(integer, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.purge(integer, boolean) to service_role;
