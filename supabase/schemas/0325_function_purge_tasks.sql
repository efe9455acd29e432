-- Deletes those of these finished tasks that nobody needs. What somebody holds, and all of an owner whom
-- somebody holds, is left for the next time, and what was put
-- back into the queue since it was found is not finished any more.
create function queue.purge_tasks(p_task_ids uuid[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '100ms' -- taken back when the function ends; what counts is the setting below
as $$
declare
  v_of_owner uuid[];
  v_held uuid[];
  v_count integer;
  v_total integer := 0;
begin
  perform queue.say('queue.purge');
  perform set_config('lock_timeout', ceil(400 * extract(epoch from s.max_lock_wait)) || 'ms', true)
  from queue.settings as s;
  for v_of_owner in
    select array_agg(t.id) from public.tasks as t where t.id = any (p_task_ids) group by t.user_id order by t.user_id
  loop
    begin
      v_held := array(
        select t.id
        from public.tasks as t
        where t.id = any (v_of_owner)
        order by t.id
        for update skip locked
      );

      delete from public.tasks as t
      where t.id = any (v_held)
        and queue.may_be_purged(t);
      get diagnostics v_count = row_count;
      v_total := v_total + v_count;
    exception when lock_not_available then
      perform set_config('lock_timeout', '1ms', true);
    end;
  end loop;
  perform queue.say(null);
  return v_total;
end;
$$;

comment on function queue.purge_tasks(uuid[]) is
  'Deletes those of these tasks that may be purged (queue.may_be_purged) and that nobody holds, and returns how many.';

revoke all on function queue.purge_tasks(uuid[]) from public, anon, authenticated, service_role;
