-- Goes on with what changes have left to do, the oldest first: one bounded piece a call, by the job, and by claims that
-- find nothing, so that it does not hang on the job. What fails or is held by somebody goes to the back of the line
-- (claims leave it where it is: an idle poll writes nothing), and is not tried again by the same call. A call that has met
-- five locks, a claim one, does no more: waiting is for the next.
create function queue.settle_deferred(p_limit integer default 100, p_may_move boolean default true)
returns json
language plpgsql
volatile
security definer -- changes tasks for pg_cron, claims and the operator
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
set lock_timeout = '200ms' -- nobody's open transaction holds up a claim or the work of others
as $$
declare
  v_most_rows constant integer := 200;
  v_work queue.deferred_work;
  v_is_left boolean;
  v_moved bigint[] := array[]::bigint[];
  v_moved_to bigint;
  v_waits integer := 0;
  v_count integer;
  v_rows integer := 0;
  v_settled integer := 0;
  v_finished integer := 0;
  v_failed integer := 0;
begin
  -- One at a time; the other one has nothing to add.
  if not pg_try_advisory_xact_lock(hashtextextended('queue.settle_deferred', 0)) then
    return json_build_object('settled', 0, 'finished', 0, 'failed', 0);
  end if;

  v_work.id := 0;
  perform queue.say('queue.settle');
  while v_settled < p_limit and v_rows < v_most_rows and v_waits < case when p_may_move then 5 else 1 end loop
    select w.*
    into v_work
    from queue.deferred_work as w
    where w.id > v_work.id
      and w.id <> all (v_moved)
    order by w.id
    limit 1
    for update skip locked;
    exit when not found;
    v_rows := v_rows + 1;

    begin
      v_count := queue.settle_piece(v_work, p_limit - v_settled);
    exception
      when lock_not_available or deadlock_detected then
        v_count := null;
        v_waits := v_waits + 1;
      when others then
        raise warning 'queue.settle_deferred: % of %: % (%)', v_work.kind, coalesce(v_work.task_id, v_work.deleted_id), sqlerrm, sqlstate;
        v_failed := v_failed + 1;
        v_count := null;
    end;

    if v_count is null and p_may_move then
      delete from queue.deferred_work as w where w.id = v_work.id;
      insert into queue.deferred_work (
        kind, task_id, user_id, status, root_id, reason, task_type, after_id, only_id, since, deleted_id
      )
      values (
        v_work.kind, v_work.task_id, v_work.user_id, v_work.status, v_work.root_id, v_work.reason, v_work.task_type,
        v_work.after_id, v_work.only_id, v_work.since, v_work.deleted_id
      )
      returning id into v_moved_to;
      v_moved := v_moved || v_moved_to;
    end if;
    v_is_left := exists (select from queue.deferred_work as w where w.id = v_work.id);
    v_finished := v_finished + (v_count is not null and not v_is_left)::integer;
    v_settled := v_settled + coalesce(v_count, 0);
  end loop;
  perform queue.say(null);

  return json_build_object('settled', v_settled, 'finished', v_finished, 'failed', v_failed);
end;
$$;

comment on function queue.settle_deferred(integer, boolean) is
  'Does a piece of the deferred work, up to p_limit tasks, and returns {settled, finished, failed}: tasks, rows of queue.deferred_work that are done, and rows that failed, which the log explains. Safe to repeat. Repeat it until settled and finished are 0.';

revoke all on function queue.settle_deferred(integer, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.settle_deferred(integer, boolean) to service_role;
