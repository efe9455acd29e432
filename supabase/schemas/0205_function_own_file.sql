-- The path in the bucket that the public URL of a file in the task's own folder leads to.
create function queue.own_file(p_url text, p_user_id uuid, p_task_id uuid)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return substring(
    p_url
    from pg_catalog.format('^https?://[^/?#]+/+storage/v1/object/public/image_uploads/(%s/tasks/%s/[^?#]+)', p_user_id, p_task_id)
  );
end;
$$;

comment on function queue.own_file(text, uuid, uuid) is
  'The path of the file in this task''s folder that the URL leads to; null when it leads elsewhere.';

revoke all on function queue.own_file(text, uuid, uuid) from public, anon, authenticated, service_role;
