-- Counts all tasks that have ended. Events of the last minutes are left to be counted on, as queue.count_on leaves them;
-- tasks and events are seen in one snapshot.
create function queue.recount_totals()
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_up_to bigint;
begin
  select e.id
  into v_up_to
  from public.task_events as e
  where e.at < queue.now() - interval '2 minutes'
  order by e.id desc
  limit 1;

  insert into queue.status_totals as s (status, task_count, last_event_id)
  select
    n.status, coalesce(c.counted, 0) - queue.ended_since(n.status, coalesce(v_up_to, 0), 9223372036854775807), coalesce(v_up_to, 0)
  from unnest(array['Complete', 'Failed', 'Cancelled']) as n (status)
    left join (select t.status, count(*) as counted from public.tasks as t group by t.status) as c on c.status = n.status
  on conflict (status) do update
    set task_count = excluded.task_count, last_event_id = excluded.last_event_id;
end;
$$;

comment on function queue.recount_totals() is 'Writes queue.status_totals anew from the tasks themselves.';

revoke all on function queue.recount_totals() from public, anon, authenticated, service_role;
