-- Takes work back from those who will not finish it. Runs every minute, and from a claim that finds nothing while the
-- job is late. Silent workers are set to error first, so that they get no more work and an orchestrator sees why.
create function queue.rescue(p_limit integer default 1000)
returns json
language plpgsql
volatile
security definer -- changes workers and leases for pg_cron, claims and the operator
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
as $$
declare
  v_lost queue.lost_task[];
  v_put_back integer;
  v_silent text;
  v_reaped text[] := array[]::text[];
  v_spared text[] := array[]::text[];
begin
  -- One at a time; the other one has nothing to add.
  if not pg_try_advisory_xact_lock(hashtextextended('queue.rescue', 0)) then
    return json_build_object('skipped', 'another rescue is running');
  end if;

  perform queue.watch_clock();
  perform queue.apply_noted_ends();
  delete from queue.noted_beats as b where b.beat_at < queue.now() - interval '1 hour' and b.status is null;
  -- What a machine was still to give back is over by itself, was taken, or is named by another under the same name.
  delete from queue.noted_beats as b
  where b.leases is not null
    and not exists (
      select
      from public.tasks as t
      where t.worker_id = b.worker_id
        and t.status = 'In Progress'
        and (
          t.lease_token = any (b.leases)
          or (t.lease_token = any (b.doubtful_leases) and b.beat_at > coalesce(greatest(t.reported_at, t.seen_at), '-infinity'))
        )
    );
  -- Owners in turn: the many tasks of one whom somebody's transaction holds must not be all that a run looks at.
  v_lost := array(
    select q.lost
    from (
      select l as lost, row_number() over (partition by t.user_id order by t.id) as place, t.id
      from queue.lost_tasks() as l
        join public.tasks as t on t.id = l.task_id
    ) as q
    order by q.place, q.id
    limit p_limit
  );
  if cardinality(v_lost) = 0 then
    perform queue.free_held_slots(p_limit);
    return json_build_object('put_back', 0, 'workers_set_to_error', 0);
  end if;

  perform queue.say('queue.rescue');
  -- The trigger on workers would put the same tasks back (queue.workers_after_write).
  perform set_config('queue.rescues', 'on', true);
  for v_silent in
    select distinct l.worker_id
    from unnest(v_lost) as l
    where l.cause = 'worker_silent'
      -- The silence of one machine is not that of the others under its name.
      and l.worker_id <> all ((select s.shared_worker_ids from queue.settings as s)::text[])
    order by l.worker_id
  loop
    -- A beat in this very moment wins.
    perform
    from public.workers as w
    where w.id = v_silent
      and not queue.is_beating(w.last_heartbeat)
    for no key update skip locked;
    if not found and exists (select from public.workers as w where w.id = v_silent) then
      v_spared := v_spared || v_silent;
    elsif queue.mark_reaped(v_silent, (select min(l.reason) from unnest(v_lost) as l where l.worker_id = v_silent)) then
      v_reaped := v_reaped || v_silent;
    end if;
  end loop;
  perform set_config('queue.rescues', 'off', true);

  v_lost := array(
    select l from unnest(v_lost) as l where l.worker_id is null or l.cause <> 'worker_silent' or l.worker_id <> all (v_spared)
  );
  v_put_back := queue.put_back(v_lost);
  -- Last, because it passes over what is locked and waits for nobody.
  perform queue.free_held_slots(p_limit);
  return json_build_object('put_back', v_put_back, 'workers_set_to_error', cardinality(v_reaped));
end;
$$;

comment on function queue.rescue(integer) is
  'Puts up to p_limit lost tasks back (queue.lost_tasks) and sets gpu workers that fell silent with work to error; returns {put_back, workers_set_to_error}, or {skipped} while another rescue runs. Safe to repeat.';

revoke all on function queue.rescue(integer) from public, anon, authenticated, service_role;
grant execute on function queue.rescue(integer) to service_role;
