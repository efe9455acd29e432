-- A beat of a user's own machine. It has no row in workers: orchestrators list those and switch them off. What the beat
-- says is written on the tasks that the machine runs, and nothing when it runs none.
--
-- A machine that came back under its name would shield what its former self had lost. So a beat may say all that the machine
-- runs; and under a name that several share it speaks for what it names alone.
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
  v_held uuid[];
begin
  if p_said in ('terminated', 'crashed') and not v_is_shared then
    v_held := array(
      select t.id
      from public.tasks as t
      where t.worker_id = v_holder
        and t.token_id = p_caller.token_id
        and t.status = 'In Progress'
        and not queue.needs_no_worker(t)
    );
    perform queue.say(queue.caller_name(p_caller));
    -- Its holder itself says it: the slots are free at once.
    perform set_config('queue.let_go', v_held::text, true);
    perform set_config('queue.forgives_starts', 'on', true);
    update public.tasks as t
    set status = 'Queued',
      attempts = t.attempts - (p_said = 'terminated')::integer,
      error_message = case p_said
        when 'terminated' then pg_catalog.format(
          'Start %s was handed back: the user''s machine %s said that it ends', greatest(t.attempts, 1), p_worker_id
        )
        else pg_catalog.format(
          'Start %s ended without a result: the user''s machine %s reported that its process is gone', greatest(t.attempts, 1), p_worker_id
        )
      end
    where t.id = any (v_held)
      and t.status = 'In Progress'
      and t.worker_id = v_holder
      and t.token_id = p_caller.token_id;
    perform set_config('queue.forgives_starts', 'off', true);
    perform queue.ends_itself(null);
    perform queue.say(null);
    perform queue.let_go_of(v_holder, p_caller.token_id, null, null);
    return;
  end if;

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
end;
$$;

comment on function queue.beat_of_token(queue.caller, text, text, uuid[], uuid[], timestamptz) is
  'Notes a beat on the tasks that this token runs under this name: all of them, or those in p_runs and p_named where the machine says what it runs or the name is shared. terminated and crashed put what it runs back, the first without counting the start; under a shared name both are no more than a beat.';

revoke all on function queue.beat_of_token(queue.caller, text, text, uuid[], uuid[], timestamptz) from public, anon, authenticated, service_role;
