-- Puts running tasks back, each with its reason, owner by owner in the order of their ids, and those of one owner in one
-- statement. What has reported, ended or changed hands since it was looked at is left alone, and so is what somebody is
-- just changing: a task, a relative of it, or its owner. Not for long is any of them waited for, and never for the second
-- time: other owners are locked meanwhile.
create function queue.put_back(p_lost queue.lost_task[])
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '100ms' -- taken back when the function ends; what counts is the setting below
as $$
declare
  v_lost queue.lost_task[];
  v_count integer;
  v_total integer := 0;
begin
  -- A task that never reached its worker, or whose worker was shut out, gets its start back (queue.tasks_before_update).
  perform set_config('queue.forgives_starts', 'on', true);
  perform set_config('lock_timeout', ceil(400 * extract(epoch from s.max_lock_wait)) || 'ms', true)
  from queue.settings as s;
  -- Who is lost holds nothing; who only takes too long may be at work still (queue.held_slots).
  perform set_config('queue.let_go', array(select l.task_id from unnest(p_lost) as l where l.cause <> 'timed_out')::text, true);
  -- What a machine itself named in its last beat, it works on no more; what others may have run under its name, they may.
  perform set_config(
    'queue.is_gone',
    array(
      select l.task_id
      from unnest(p_lost) as l
      where l.cause in ('terminated', 'crashed')
        and exists (
          select from queue.noted_beats as b where b.worker_id = l.worker_id and l.lease_token = any (b.leases)
        )
    )::text,
    true
  );
  for v_lost in
    select array_agg(l)
    from unnest(p_lost) as l
      join public.tasks as t on t.id = l.task_id
    group by t.user_id
    order by t.user_id
  loop
    begin
      with held as (
        select t.id
        from public.tasks as t
          join unnest(v_lost) as l on l.task_id = t.id
        where t.status = 'In Progress'
          and t.lease_token is not distinct from l.lease_token
          and t.reported_at is not distinct from l.reported_at
        order by t.id
        for no key update of t skip locked
      )
      update public.tasks as t
      -- An orchestrator that has said its last word would only say it again.
      set status = case l.cause when 'enqueued_nothing' then 'Failed' else 'Queued' end,
        output_location = case l.cause when 'enqueued_nothing' then l.reason else t.output_location end,
        attempts = t.attempts - (
          l.cause in ('never_delivered', 'token_ended', 'terminated')
          -- Neither its goodbye nor who sent it home could give the task back: somebody held its owner.
          or l.cause in ('worker_ended', 'worker_silent') and exists (
            select from public.workers as w
            where w.id = l.worker_id
              and (w.goodbye_at is not null or queue.is_taken_home(w, t))
          )
        )::integer,
        error_message = l.reason
      from held as h
        join unnest(v_lost) as l on l.task_id = h.id
      where t.id = h.id;
      get diagnostics v_count = row_count;
      v_total := v_total + v_count;
    exception when lock_not_available then
      perform set_config('lock_timeout', '1ms', true);
    end;
  end loop;
  perform set_config('queue.forgives_starts', 'off', true);
  perform queue.ends_itself(null);
  perform set_config('queue.is_gone', '', true);
  return v_total;
end;
$$;

comment on function queue.put_back(queue.lost_task[]) is
  'Puts these tasks back into the queue (or ends them Failed: after their last start, or when they have said their last word) with their reasons, unless somebody holds them or their owners, and returns how many; the start of one that was never delivered, whose token has ended, or whose worker or user''s machine said goodbye or was sent home, is not counted.';

revoke all on function queue.put_back(queue.lost_task[]) from public, anon, authenticated, service_role;
