-- Cancels those of these tasks that are still due, owner by owner. What somebody holds is left for the next time, and so
-- is all of an owner whom somebody holds; what was claimed, put back or given its missing dependency since it was found is
-- due no more.
create function queue.cancel_due(p_task_ids uuid[], p_actor text default 'queue.cleanup')
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
  perform queue.say(p_actor);
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
          and t.status = 'Queued'
        order by t.id
        for no key update skip locked
      );

      with due as materialized (
        select t.id, queue.reason_to_cancel(t) as reason
        from public.tasks as t
        where t.id = any (v_held)
      )
      update public.tasks as t
      set status = 'Cancelled', error_message = d.reason
      from due as d
      where t.id = d.id
        and d.reason is not null;
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

comment on function queue.cancel_due(uuid[], text) is
  'Cancels those of these tasks that have a reason (queue.reason_to_cancel) and that nobody holds, nor their owners, and returns how many.';

revoke all on function queue.cancel_due(uuid[], text) from public, anon, authenticated, service_role;
