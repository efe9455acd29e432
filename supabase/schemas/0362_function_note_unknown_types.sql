-- Notes which types without a row tasks were enqueued with since the sweep before, from the history: enqueuing itself
-- writes nothing more. The last minute is left for the next time, as its transactions may still be open. Users choose
-- names freely, so no more than a thousand are kept. However long no sweep ran, all since the last one is read, but no more
-- than the newest hundred thousand rows.
create function queue.note_unknown_types(p_now timestamptz)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 1000;
  v_most_events constant integer := 100000;
  v_until constant timestamptz := p_now - interval '1 minute';
  v_from timestamptz;
  v_after_id bigint;
  v_noted integer;
begin
  -- Two at once would count the same tasks.
  if not pg_try_advisory_xact_lock(hashtextextended('queue.note_unknown_types', 0)) then
    return 0;
  end if;

  delete from queue.unknown_types as u
  where u.last_seen_at < p_now - interval '30 days'
    or exists (select from public.task_types as y where y.name = u.name);

  v_from := coalesce(
    (select max(m.sampled_at) from queue.minute_samples as m where m.sampled_at < p_now) - interval '1 minute',
    p_now - interval '10 minutes'
  );
  select coalesce(max(m.last_event_id), 0)
  into v_after_id
  from queue.minute_samples as m
  where m.sampled_at < v_from - interval '1 minute';

  insert into queue.unknown_types as u (name, task_count, first_seen_at, last_seen_at)
  select r.task_type, r.task_count, r.first_at, r.last_at
  from (
    select s.*, row_number() over (partition by s.is_noted order by s.task_count desc, s.task_type) as place
    from (
      select
        t.task_type, count(*) as task_count, min(e.at) as first_at, max(e.at) as last_at,
        exists (select from queue.unknown_types as k where k.name = t.task_type) as is_noted
      from (
        select n.task_id, n.at, n.from_status
        from public.task_events as n
        where n.id > v_after_id
        order by n.id desc
        limit v_most_events
      ) as e
        join public.tasks as t on t.id = e.task_id
      where e.from_status is null
        and e.at > v_from
        and e.at <= v_until
        -- Names from before they had bounds can have no row in task_types, nor here.
        and length(t.task_type) between 1 and 200
        and not exists (select from public.task_types as y where y.name = t.task_type)
      group by t.task_type
    ) as s
  ) as r
  where r.is_noted
    or r.place <= v_most - (select count(*) from queue.unknown_types)
  on conflict (name) do update
    set task_count = u.task_count + excluded.task_count,
      last_seen_at = excluded.last_seen_at;
  get diagnostics v_noted = row_count;
  return v_noted;
end;
$$;

comment on function queue.note_unknown_types(timestamptz) is
  'Brings queue.unknown_types up to a minute before p_now, from the history since the sample before (its newest 100,000 rows at most), and returns how many types it wrote.';

revoke all on function queue.note_unknown_types(timestamptz) from public, anon, authenticated, service_role;
