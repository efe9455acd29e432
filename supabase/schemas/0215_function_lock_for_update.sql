-- The other tasks that a change of some may change, locked before any owner is: of those that were grouped anew, that
-- reported something, that are Complete, that are lost.
create function queue.lock_for_update(
  p_regrouped uuid[], p_children queue.subtasks[], p_reported uuid[], p_reporters uuid[], p_complete uuid[], p_lost uuid[], p_owners uuid[]
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
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

comment on function queue.lock_for_update(uuid[], queue.subtasks[], uuid[], uuid[], uuid[], uuid[], uuid[]) is
  'Locks the live tasks of these owners that follow a change of these: grouped anew (with what they are children of now), reported (and their owners), Complete, lost.';

revoke all on function queue.lock_for_update(uuid[], queue.subtasks[], uuid[], uuid[], uuid[], uuid[], uuid[]) from public, anon, authenticated, service_role;
