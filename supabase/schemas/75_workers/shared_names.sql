-- One name, several machines (settings.shared_worker_ids; two machines of one token under one name): when one of them ends,
-- nobody can know which tasks were its own. They are waited for until somebody names them again.

-- The last beat of one of several machines under one name. What it names goes back at once; of all else that runs under the
-- name nobody knows whose it was, so it is noted, and goes back when no machine names it again (queue.lost_tasks).
--
-- Lines that were written before a task was handed out speak of an earlier start of it: the machine gave it back, and
-- another one under the same name may have it now. They name nothing.
-- Ends a machine under a name that several share, with the service key: puts what it names (p_current, or a line of
-- p_logs that is not older than the start) back at once, the start not counted when it said goodbye, lets go of what
-- others had ended under it (p_named), and notes all else that runs under the name as possibly its own.
create function queue.end_one_of_many(
  p_worker_id text, p_said text, p_current uuid, p_named uuid[], p_logs json[], p_now timestamptz
)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_lost queue.lost_task[];
  v_left uuid[];
begin
  v_lost := array(
    select (
      t.id, t.lease_token, t.reported_at, t.worker_id, p_said, queue.reason_of_goodbye(p_said, t.attempts, p_worker_id, false)
    )::queue.lost_task
    from public.tasks as t
    where t.worker_id = p_worker_id
      and t.token_id is null
      and t.status = 'In Progress'
      and (
        t.id = p_current
        or exists (
          select
          from unnest(p_logs) as l (entry)
          where case
              when json_typeof(l.entry) = 'object' and l.entry ->> 'task_id' is not null then
                lower(l.entry ->> 'task_id') in (t.id::text, lower(t.params ->> 'task_id'))
                and queue.log_time(l.entry ->> 'timestamp', p_now) >= coalesce(t.claimed_at, '-infinity')
            end
        )
      )
      and not queue.needs_no_worker(t)
  );
  v_left := queue.put_back_or_leave(v_lost, 'service');
  perform queue.let_go_of(p_worker_id, null, null, n.id) from unnest(p_named) as n (id) order by n.id;
  perform queue.note_end_of_many(p_worker_id, null, p_said, v_left, p_now);
end;
$$;

-- One of several machines under one name has ended. Which of the tasks under that name were its own nobody can know; those
-- of the others will be named again. Not so the tasks of users' machines that never beat: these may be silent for longer
-- (token_silence_limit).
-- Leaves to the rescue what a machine that ended under a shared name may have run: p_left surely, all else under that
-- name and token (null = the service key) if no machine names it again.
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

-- Until when a task that runs under a name that several share has to be named so as not to be put back; null for any
-- other. Only a call, a log line or a beat that names it shows that it still runs. queue.lost_tasks says so of all that
-- runs, this of one task. Times are asked as there: after a gap or a step of the clock everybody has the whole time
-- again.
create function queue.named_before(p_task public.tasks)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := queue.now();
  v_settings queue.settings;
  v_trusted_since timestamptz;
  v_named_at timestamptz;
begin
  select s.* into v_settings from queue.settings as s;
  if p_task.status <> 'In Progress' or coalesce(queue.sent_name(p_task.worker_id) <> all (v_settings.shared_worker_ids), true)
    or queue.needs_no_worker(p_task) then
    return null;
  end if;

  v_trusted_since := (select least(w.trusted_since, v_now) from queue.clock_watch as w);
  v_named_at := greatest(
    queue.seen_at(p_task.claimed_at, v_now), queue.seen_at(p_task.reported_at, v_now), queue.seen_at(p_task.seen_at, v_now), v_trusted_since
  );
  return least(
    v_named_at + case
      when p_task.token_id is not null and p_task.is_beaten_for then v_settings.token_beat_limit
      when p_task.token_id is not null then v_settings.token_silence_limit
      when p_task.pool <> 'gpu' then least(v_settings.api_silence_limit, v_settings.quiet_task_limit)
      when p_task.delivered_at is null then least(v_settings.undelivered_limit, v_settings.quiet_task_limit)
      else v_settings.quiet_task_limit
    end,
    (
      select min(greatest(b.beat_at, v_trusted_since)) + v_settings.token_beat_limit
      from queue.noted_beats as b
      where b.worker_id = p_task.worker_id
        and p_task.lease_token = any (b.doubtful_leases)
        and b.beat_at > coalesce(greatest(p_task.reported_at, p_task.seen_at), '-infinity')
    )
  );
end;
$$;
