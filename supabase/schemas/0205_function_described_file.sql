-- The URL of the task's own file that a result in JSON names, under the keys and in the order in which deployed workers look
-- for it.
create function queue.described_file(p_description json, p_user_id uuid, p_task_id uuid)
returns text
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
begin
  return (
    select p_description ->> k.key
    from unnest(array['transition_url', 'url', 'output_url', 'video_url']) with ordinality as k (key, place)
    where queue.own_file(p_description ->> k.key, p_user_id, p_task_id) is not null
    order by k.place
    limit 1
  );
exception when others then
  return null; -- JSON may hold what no text of Postgres can
end;
$$;

comment on function queue.described_file(json, uuid, uuid) is
  'The URL in this JSON that leads into the task''s own folder; null when there is none.';

revoke all on function queue.described_file(json, uuid, uuid) from public, anon, authenticated, service_role;
