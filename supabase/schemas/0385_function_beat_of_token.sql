-- A beat of a user's own machine. It has no row in workers: orchestrators list those and switch them off. What the beat
-- says is written on the tasks that the machine runs, and nothing when it runs none.
--
-- A machine that came back under its name would shield what its former self had lost. So a beat may say all that the machine
-- runs; and under a name that several share it speaks for what it names alone, also when it ends.
create function queue.beat_of_token(
  p_caller queue.caller, p_worker_id text, p_said text, p_runs uuid[], p_named uuid[], p_now timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_holder constant text := queue.holder_name(p_caller, p_worker_id);
  v_is_shared constant boolean := p_worker_id = any ((select s.shared_worker_ids from queue.settings as s)::text[]);
  v_lost queue.lost_task[];
  v_left uuid[];
begin
  if p_said in ('terminated', 'crashed') then
    v_lost := array(
      select (
        t.id, t.lease_token, t.reported_at, t.worker_id, p_said, queue.reason_of_goodbye(p_said, t.attempts, p_worker_id, true)
      )::queue.lost_task
      from public.tasks as t
      where t.worker_id = v_holder
        and t.token_id = p_caller.token_id
        and t.status = 'In Progress'
        and (not v_is_shared or t.id = any (p_named))
        and not queue.needs_no_worker(t)
    );
    v_left := queue.put_back_or_leave(v_lost, queue.caller_name(p_caller));
    if v_is_shared and p_runs is null then
      perform queue.note_end_of_many(v_holder, p_caller.token_id, p_said, v_left, p_now);
    elsif cardinality(v_left) > 0 then
      insert into queue.noted_beats as b (worker_id, beat_at, status, leases)
      values (v_holder, p_now, p_said, v_left)
      on conflict (worker_id, beat_at) do update set status = excluded.status, leases = b.leases || excluded.leases;
    end if;
    -- And of what others had ended under it before nothing is held any more.
    if v_is_shared then
      perform queue.let_go_of(v_holder, p_caller.token_id, null, n.id) from unnest(p_named) as n (id) order by n.id;
    else
      perform queue.let_go_of(v_holder, p_caller.token_id, null, null);
    end if;
    return;
  end if;

  perform set_config('queue.counts_itself', 'on', true); -- nothing follows from these columns
  update public.tasks as t
  set updated_at = p_now,
    seen_at = p_now,
    is_beaten_for = true,
    delivered_at = case when t.id = any (p_named) then coalesce(t.delivered_at, p_now) else t.delivered_at end,
    reported_at = case when t.id = any (p_named) then p_now else t.reported_at end
  from (
    select h.id
    from public.tasks as h
    where h.worker_id = v_holder
      and h.token_id = p_caller.token_id
      and h.status = 'In Progress'
      and case
        when p_runs is not null then h.id = any (p_runs || p_named)
        else not v_is_shared or h.id = any (p_named)
      end
    order by h.id
    for no key update skip locked
  ) as held
  where t.id = held.id;
  perform set_config('queue.counts_itself', 'off', true);
end;
$$;

comment on function queue.beat_of_token(queue.caller, text, text, uuid[], uuid[], timestamptz) is
  'Notes a beat on the tasks that this token runs under this name: all of them, or those in p_runs and p_named where the machine says what it runs or the name is shared. terminated and crashed put what it runs back, under a shared name what it names (all else goes back if no machine names it again), the first without counting the start; what somebody holds is left to the next rescue.';

revoke all on function queue.beat_of_token(queue.caller, text, text, uuid[], uuid[], timestamptz) from public, anon, authenticated, service_role;
