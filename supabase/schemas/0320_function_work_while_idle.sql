-- What a claim that found nothing does for the queue before it goes: a piece of what changes have left to do, or else
-- the work of a rescue that is late. Mostly there is neither, and it writes nothing.
create function queue.work_while_idle()
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_done json;
begin
  if exists (select from queue.deferred_work) then
    v_done := queue.settle_deferred(100, false);
    if (v_done ->> 'settled')::integer > 0 then
      return (v_done ->> 'settled')::integer;
    end if;
  end if;
  return queue.rescue_when_late();
end;
$$;

comment on function queue.work_while_idle() is
  'Does a piece of the deferred work or, when there is none and the job rescue is late, that job''s; returns how many tasks it changed.';

revoke all on function queue.work_while_idle() from public, anon, authenticated, service_role;
