-- The beginning of a run in batches: what is due is looked up once for all.
create function queue.begin_batches(p_job text)
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
      -- Each batch looks anew: what is lost, or left to do, changes from one second to the next.
      when 'rescue' then array[]::uuid[]
      when 'settle' then array[]::uuid[]
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
  'Begins a run of cleanup, purge (up to 10,000 tasks that are due of each kind, by owner), reconcile (the owners that have drifted) or rescue or settle (which look anew for each batch). An error is recorded in queue.job_runs, and the run is over.';

revoke all on function queue.begin_batches(text) from public, anon, authenticated, service_role;
