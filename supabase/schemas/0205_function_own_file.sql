-- The path in the bucket that the public URL of a file in the task's own folder leads to.
create function queue.own_file(p_url text, p_user_id uuid, p_task_id uuid)
returns text
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
declare
  -- The same pattern always: with the ids in it, it would be compiled anew for each task, which costs more than a completion.
  v_path text := substring(p_url from '^https?://[^/?#]+/+storage/v1/object/public/image_uploads/([^?#]+)');
  v_folder text := p_user_id || '/tasks/' || p_task_id || '/';
begin
  return case when starts_with(v_path, v_folder) and v_path <> v_folder then v_path end;
end;
$$;

comment on function queue.own_file(text, uuid, uuid) is
  'The path of the file in this task''s folder that the URL leads to; null when it leads elsewhere.';

revoke all on function queue.own_file(text, uuid, uuid) from public, anon, authenticated, service_role;
