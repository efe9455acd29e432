-- What tasks go by, or what is derived from them, cannot be emptied under them. Together with the tasks it can: after such
-- a statement there are none.
create function queue.refuse_truncate()
returns trigger
language plpgsql
security definer -- looks at tasks on behalf of any caller who may truncate
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if exists (select from public.tasks as t) then
    perform queue.refuse(
      409, 'TRUNCATE_REFUSED',
      pg_catalog.format('%I.%I cannot be truncated while there are tasks: nothing would follow', tg_table_schema, tg_table_name),
      'Delete rows instead, or truncate public.tasks, which empties what is derived from it'
    );
  end if;
  return null;
end;
$$;

comment on function queue.refuse_truncate() is
  'Trigger: refuses to truncate a table that live tasks depend on with 409 TRUNCATE_REFUSED.';

revoke all on function queue.refuse_truncate() from public, anon, authenticated, service_role;

create trigger refuse_truncate after truncate on public.task_types for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.settings for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.task_dependencies for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.subtasks for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.orchestrations for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.user_slots for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.user_lines for each statement execute function queue.refuse_truncate();
create trigger refuse_truncate after truncate on queue.blocked_tasks for each statement execute function queue.refuse_truncate();
