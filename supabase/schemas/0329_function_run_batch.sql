-- The next batch of a run. To change a task takes the lock on its owner, which claims need: so a batch is small, is to be
-- committed before the next one, and claims then have the machine to themselves for three times as long. Recorded with
-- what those before it did.
create function queue.run_batch(p_run queue.batch_run)
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
      when 'settle' then queue.settle_deferred(100)::jsonb
    end;
    p_run.done_count := p_run.done_count + cardinality(v_due);
    p_run.is_over := case
      -- Not when it was less than a full batch: what somebody holds is passed over.
      when p_run.job = 'rescue' then coalesce((v_batch ->> 'put_back')::integer, 0) = 0
      when p_run.job = 'settle' then (v_batch ->> 'settled')::integer + (v_batch ->> 'finished')::integer = 0
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
  -- What is lost has waited long enough, and what others' ends have left to do somewhat.
  p_run.pause := case p_run.job when 'rescue' then 0 when 'settle' then 1 else 3 end * (clock_timestamp() - v_started_at);
  return p_run;
end;
$$;

comment on function queue.run_batch(queue.batch_run) is
  'The next batch of a run of cleanup or purge: 50 tasks; purge also up to 1,000 each of logs, tokens, records of pg_cron and events; of reconcile: 5 owners; of rescue: 100 lost tasks, until none is found that could be put back; of settle: 100 tasks of deferred work, until nothing is left that could be done. Over when all that were due have been looked at and no more of the rest is left, after 45 seconds, or when a batch fails, which is recorded.';

revoke all on function queue.run_batch(queue.batch_run) from public, anon, authenticated, service_role;
