-- Under a name that several share only a call, a log line or a beat that names a task shows that it still runs. Until when
-- one is waited for: queue.lost_tasks says so of what runs, this of one task. Times are asked as there: after a gap or a
-- step of the clock everybody has the whole time again.
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

comment on function queue.named_before(public.tasks) is
  'Until when this task, which runs under a name that several machines share, has to be named so as not to be put back; null for any other.';

revoke all on function queue.named_before(public.tasks) from public, anon, authenticated, service_role;
