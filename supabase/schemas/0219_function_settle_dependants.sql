-- Tasks that waited for tasks that have just ended. They are locked before they are looked at, so that of two
-- dependencies that end at the same time the second one sees the first.
create function queue.settle_dependants(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_waiting uuid[] := queue.lock_dependants(p_task_ids);
begin
  if v_waiting is not null then
    perform queue.ask_standing_again(v_waiting);
  end if;
end;
$$;

comment on function queue.settle_dependants(uuid[]) is
  'Works out again where the tasks stand that depend on these, which have just ended.';

revoke all on function queue.settle_dependants(uuid[]) from public, anon, authenticated, service_role;
