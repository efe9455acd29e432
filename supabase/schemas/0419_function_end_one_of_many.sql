-- The last beat of one of several machines under one name. What it names goes back at once; of all else that runs under the
-- name nobody knows whose it was, so it is noted, and goes back when no machine names it again (queue.lost_tasks).
--
-- Lines that were written before a task was handed out speak of an earlier start of it: the machine gave it back, and
-- another one under the same name may have it now. They name nothing.
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

comment on function queue.end_one_of_many(text, text, uuid, uuid[], json[], timestamptz) is
  'Ends a machine under a name that several share, with the service key: puts what it names (p_current, or a line of p_logs that is not older than the start) back at once, the start not counted when it said goodbye, lets go of what others had ended under it (p_named), and notes all else that runs under the name as possibly its own.';

revoke all on function queue.end_one_of_many(text, text, uuid, uuid[], json[], timestamptz) from public, anon, authenticated, service_role;
