-- Counts the history on, once a minute. The last minutes are left for the next time: ids are given out before their
-- transactions end, so that a late one could be missed.
create function queue.count_on()
returns json
language plpgsql
volatile
security definer -- writes derived state for pg_cron and the operator
set search_path = ''
as $$
declare
  v_up_to bigint;
begin
  insert into queue.status_totals (status, task_count, last_event_id)
  select s.status, 0, 0
  from unnest(array['Complete', 'Failed', 'Cancelled']) as s (status)
  on conflict do nothing;

  -- Walked from the end, so that it costs what the last minutes brought.
  select e.id
  into v_up_to
  from public.task_events as e
  where e.at < queue.now() - interval '2 minutes'
  order by e.id desc
  limit 1;

  perform queue.note_durations(
    (select s.last_event_id from queue.status_totals as s where s.status = 'Complete'), v_up_to
  );

  update queue.status_totals as s
  set task_count = s.task_count + queue.ended_since(s.status, s.last_event_id, v_up_to),
    last_event_id = v_up_to
  where s.last_event_id < v_up_to;

  return (select json_object_agg(s.status, s.task_count) from queue.status_totals as s);
end;
$$;

comment on function queue.count_on() is
  'Brings queue.status_totals and queue.type_durations up to what happened two minutes ago; returns the totals.';

revoke all on function queue.count_on() from public, anon, authenticated, service_role;
grant execute on function queue.count_on() to service_role;
