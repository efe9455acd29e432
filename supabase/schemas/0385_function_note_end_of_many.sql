-- One of several machines under one name has ended. Which of the tasks under that name were its own nobody can know; those
-- of the others will be named again. Not so the tasks of users' machines that never beat: these may be silent for longer
-- (token_silence_limit).
create function queue.note_end_of_many(p_worker_id text, p_token_id uuid, p_said text, p_left uuid[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_doubtful uuid[] := array(
    select t.lease_token
    from public.tasks as t
    where t.worker_id = p_worker_id
      and t.token_id is not distinct from p_token_id
      and t.status = 'In Progress'
      and (p_token_id is null or t.is_beaten_for)
      and t.lease_token <> all (p_left)
      and not queue.needs_no_worker(t)
    order by t.id
  );
begin
  if cardinality(v_doubtful) + cardinality(p_left) = 0 then
    return;
  end if;
  insert into queue.noted_beats as b (worker_id, beat_at, status, leases, doubtful_leases)
  values (p_worker_id, p_now, p_said, p_left, v_doubtful)
  on conflict (worker_id, beat_at) do update
  set status = excluded.status,
    leases = coalesce(b.leases, '{}') || excluded.leases,
    doubtful_leases = coalesce(b.doubtful_leases, '{}') || excluded.doubtful_leases;
end;
$$;

comment on function queue.note_end_of_many(text, uuid, text, uuid[], timestamptz) is
  'Leaves to the rescue what a machine that ended under a shared name may have run: p_left surely, all else under that name and token (null = the service key) if no machine names it again.';

revoke all on function queue.note_end_of_many(text, uuid, text, uuid[], timestamptz) from public, anon, authenticated, service_role;
