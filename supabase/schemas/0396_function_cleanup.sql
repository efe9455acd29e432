-- Cancels what queue.tasks_to_cancel names. A dry run does the same and takes it back, so it lists what would happen,
-- with all that would go along.
create function queue.cleanup(p_limit integer default 1000, p_dry_run boolean default false)
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
