-- What a line copies from its owner's slots and only a write to the owner changes (queue.refresh_lines) is filled in
-- here, once, so that the statements that start and end tasks need not carry it.
create function queue.user_lines_before_insert()
returns trigger
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  select s.task_limit, nullif(s.cloud_reason, 'user_at_limit')
  into strict new.task_limit, new.closed_by
  from queue.user_slots as s
  where s.user_id = new.user_id;
  return new;
end;
$$;

comment on function queue.user_lines_before_insert() is
  'Trigger: a new line copies its owner''s limit and why the fleet may run nothing of the owner''s.';

revoke all on function queue.user_lines_before_insert() from public, anon, authenticated, service_role;

create trigger user_lines_before_insert
  before insert on queue.user_lines
  for each row execute function queue.user_lines_before_insert();
