-- With a user go projects, tasks, results and tokens, by foreign keys: in the transaction of the deletion while they are
-- few. Of a user with more that is only written down, and all of it follows piece by piece (queue.settle_deletion), the
-- row of users last: the app, or Supabase's Auth by a foreign key of its own, is answered at once however much there is.
-- What must hold from now on does: nothing of theirs starts, no token of theirs is known, no task comes into their projects.
create function queue.users_before_delete()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may delete users
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if queue.goes_at_once(old.id, null) then
    -- What the foreign keys will take, where a lock can still be told; tasks before their owner, as ever.
    if queue.is_plain_write() then
      begin
        perform from public.tasks as t where t.user_id = old.id order by t.id for update;
        perform from queue.user_slots as s where s.user_id = old.id for update;
      exception when lock_not_available then
        perform queue.refuse_while_locked();
      end;
    end if;
    return old;
  end if;

  if not queue.is_being_deleted(old.id) then
    insert into queue.deferred_work (kind, user_id, deleted_id, reason, since)
    values ('user', old.id, old.id, queue.actor(), queue.now());
    update public.projects as p
    set deleted_at = queue.now()
    where p.id = any (array(
        select o.id from public.projects as o where o.user_id = old.id and o.deleted_at is null limit 1000
      ));
    delete from public.user_api_tokens as k where k.user_id = old.id;
    perform queue.lock_owners(array[old.id]);
    -- The row of users itself stays as it is: changed in the transaction that takes the account away, it would have to
    -- find the account, where an app has tied the two.
    update queue.user_slots as s
    set (task_limit, orchestration_limit, cloud_reason, local_reason) = (
      select w.task_limit, w.orchestration_limit, w.cloud_reason, w.local_reason
      from queue.slots_of(old, s.running, s.orchestrating, s.remembered) as w
    )
    where s.user_id = old.id;
    perform queue.refresh_lines(array[old.id]);
  end if;
  return null;
end;
$$;

comment on function queue.users_before_delete() is
  'Trigger: a user with more than 100 tasks, 1,000 results or 1,000 projects is not deleted yet, but piece by piece (queue.deferred_work).';

revoke all on function queue.users_before_delete() from public, anon, authenticated, service_role;

create trigger users_before_delete
  before delete on public.users
  for each row execute function queue.users_before_delete();
