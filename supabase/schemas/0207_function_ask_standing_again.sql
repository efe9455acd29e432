-- The update trigger works out where a queued task stands whenever its row is written.
create function queue.ask_standing_again(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  update public.tasks as t
  set standing = null
  where t.id = any (p_task_ids)
    and t.status = 'Queued';
end;
$$;

comment on function queue.ask_standing_again(uuid[]) is 'Works out again where these queued tasks stand.';

revoke all on function queue.ask_standing_again(uuid[]) from public, anon, authenticated, service_role;
