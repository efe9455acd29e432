-- The other tasks that a change of some may change, locked before any owner is: of those that were grouped anew, that
-- reported something, that are Complete, that are lost. A plain write that meets a lock is told so (queue.lock_owners); only
-- for that one is it caught, which costs a subtransaction.
create function queue.lock_for_update(
  p_regrouped uuid[], p_children queue.subtasks[], p_reported uuid[], p_reporters uuid[], p_complete uuid[], p_lost uuid[], p_owners uuid[],
  p_is_plain boolean
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_is_plain then
    begin
      perform queue.lock_for_update(p_regrouped, p_children, p_reported, p_reporters, p_complete, p_lost, p_owners, false);
    exception when lock_not_available then
      perform queue.refuse_while_locked();
    end;
    return;
  end if;

  if p_regrouped is not null then
    perform queue.lock_relatives_of(
      p_regrouped || array(select s.task_id from queue.subtasks as s where s.replaced_by = any (p_regrouped)), p_owners, true
    );
    if p_children is not null then
      perform queue.lock_families(p_children);
    end if;
  end if;
  if p_reported is not null then
    perform queue.lock_relatives_of(p_reported, p_reporters, false);
  end if;
  if p_complete is not null then
    perform queue.lock_relatives_of(p_complete, p_owners, false);
  end if;
  if p_lost is not null then
    perform queue.lock_relatives_of(p_lost, p_owners, true);
  end if;
end;
$$;

comment on function queue.lock_for_update(uuid[], queue.subtasks[], uuid[], uuid[], uuid[], uuid[], uuid[], boolean) is
  'Locks the live tasks of these owners that follow a change of these: grouped anew (with what they are children of now), reported (and their owners), Complete, lost; 503 UNAVAILABLE in place of 55P03 when p_is_plain.';

revoke all on function queue.lock_for_update(uuid[], queue.subtasks[], uuid[], uuid[], uuid[], uuid[], uuid[], boolean) from public, anon, authenticated, service_role;
