-- The types without a row that tasks were enqueued with in the last week, what they count as, and how to say otherwise.
create function queue.unknown_task_types(p_caller jsonb)
returns json
language plpgsql
stable
security definer -- reads what the sweep noted
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := queue.now();
begin
  perform queue.resolve_caller(p_caller, array['service']);
  return json_build_object(
    'types', coalesce(
      (
        select json_agg(json_build_object(
          'name', u.name,
          'task_count', u.task_count,
          'first_seen_at', u.first_seen_at,
          'last_seen_at', u.last_seen_at,
          'taken_for', queue.type_as_json(queue.type_by_name(u.name)),
          'remedy', pg_catalog.format(
            'If that is right: select public.set_task_type(%L); if not, say what it is: select public.set_task_type(%L, %L)',
            u.name, u.name, '{"pool": "api", "category": "generation", "content_type": "image", "creates_generation": true}'
          )
        ) order by u.last_seen_at desc, u.name)
        from queue.unknown_types as u
        where u.last_seen_at > v_now - interval '7 days'
          and not exists (select from public.task_types as y where y.name = u.name)
      ),
      '[]'
    ),
    'since', v_now - interval '7 days'
  );
end;
$$;

comment on function queue.unknown_task_types(jsonb) is 'See public.unknown_task_types.';

revoke all on function queue.unknown_task_types(jsonb) from public, anon, authenticated, service_role;
grant execute on function queue.unknown_task_types(jsonb) to service_role;
