-- The dead letters that a filter names, the longest dead first. A key that is not known is refused: a typing error must
-- not widen what is put back.
create function queue.dead_letters(p_filter jsonb, p_limit integer)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_unknown text[];
begin
  if jsonb_typeof(p_filter) <> 'object' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The filter must be a JSON object');
  end if;

  select array_agg(k.name order by k.name)
  into v_unknown
  from jsonb_object_keys(p_filter) as k (name)
  where k.name not in (
    'status', 'task_type', 'user_id', 'project_id', 'worker_id', 'error_contains', 'ended_since', 'ended_before'
  );

  if v_unknown is not null or p_filter = '{}' then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      coalesce('The filter does not know ' || array_to_string(v_unknown, ', '), 'The filter names nothing'),
      'Filter by status (Failed or Cancelled), task_type, user_id, project_id, worker_id, error_contains, ended_since, ended_before'
    );
  elsif coalesce(p_filter ->> 'status', 'Failed') not in ('Failed', 'Cancelled') then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format('Only Failed and Cancelled tasks are put back, not %s', p_filter ->> 'status')
    );
  end if;

  return query
  select t.*
  from public.tasks as t
  where t.status = coalesce(p_filter ->> 'status', 'Failed')
    and (p_filter ->> 'task_type' is null or t.task_type = p_filter ->> 'task_type')
    and (p_filter ->> 'user_id' is null or t.user_id = (p_filter ->> 'user_id')::uuid)
    and (p_filter ->> 'project_id' is null or t.project_id = (p_filter ->> 'project_id')::uuid)
    and (p_filter ->> 'worker_id' is null or t.worker_id = p_filter ->> 'worker_id')
    and (p_filter ->> 'error_contains' is null or strpos(lower(t.error_message), lower(p_filter ->> 'error_contains')) > 0)
    and (p_filter ->> 'ended_since' is null or t.updated_at >= (p_filter ->> 'ended_since')::timestamptz)
    and (p_filter ->> 'ended_before' is null or t.updated_at < (p_filter ->> 'ended_before')::timestamptz)
  order by t.updated_at, t.id
  limit p_limit;
exception
  when invalid_text_representation or datetime_field_overflow or invalid_datetime_format then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A value of the filter is no id or no time: ' || sqlerrm);
end;
$$;

comment on function queue.dead_letters(jsonb, integer) is
  'Up to p_limit tasks that ended Failed (or Cancelled, if asked for) and match every key of the filter; 400 INVALID_ARGUMENT for an empty filter or an unknown key.';

revoke all on function queue.dead_letters(jsonb, integer) from public, anon, authenticated, service_role;
