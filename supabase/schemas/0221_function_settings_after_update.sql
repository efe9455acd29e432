-- A changed default of either limit concerns every user without a limit of their own, a longer stale_after every stale task. The
-- first hundred follow at once, which mostly is all; the others by and by (queue.deferred_work).
create function queue.settings_after_update()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_work queue.deferred_work;
begin
  if new.stale_after > old.stale_after then
    insert into queue.deferred_work (kind, since) values ('stale', queue.now()) returning * into v_work;
    perform queue.settle_stale(v_work, 100);
  end if;

  if (new.default_task_limit, new.default_orchestration_limit)
    is distinct from (old.default_task_limit, old.default_orchestration_limit) then
    insert into queue.deferred_work (kind, since) values ('limits', queue.now()) returning * into v_work;
    perform queue.settle_limits(v_work, 100);
  end if;
  return null;
end;
$$;

comment on function queue.settings_after_update() is
  'Trigger: applies a changed default_task_limit or default_orchestration_limit to the users it concerns, and a longer stale_after to stale tasks; later, when they are many.';

revoke all on function queue.settings_after_update() from public, anon, authenticated, service_role;

create trigger settings_after_update
  after update on queue.settings
  for each row execute function queue.settings_after_update();
