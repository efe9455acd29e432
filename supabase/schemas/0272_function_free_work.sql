-- The work of workers that have ended goes back to the queue, in one statement, so that the owners of all its tasks are
-- locked in order. Who ends itself hands its work back, and who is sent home gives it back: that start does not count
-- (queue.tasks_before_update). Whoever ends a worker does not wait for somebody's open transaction that holds a task or its
-- owner: then all of it is left to the next rescue, which sees that the worker has ended.
create function queue.free_work(p_worker_ids text[], p_hands_back boolean default false)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '60ms' -- taken back when the function ends; what counts is the setting below
as $$
begin
  perform set_config('lock_timeout', ceil(250 * extract(epoch from s.max_lock_wait)) || 'ms', true)
  from queue.settings as s;
  perform set_config('queue.forgives_starts', 'on', true);
  begin
    update public.tasks as t
    set status = 'Queued',
      attempts = t.attempts - (p_hands_back or w.goodbye_at is not null or queue.is_taken_home(w, t))::integer,
      error_message = case
        when p_hands_back or w.goodbye_at is not null then pg_catalog.format(
          'Start %s was handed back: worker %s said that it ends', greatest(t.attempts, 1), w.id
        )
        when queue.is_taken_home(w, t) then queue.reason_of_home(w, t.attempts)
        else pg_catalog.format(
          'Start %s ended without a result: worker %s is %s%s',
          greatest(t.attempts, 1), w.id, w.status, coalesce(' (' || (w.metadata ->> 'error_reason') || ')', '')
        )
      end
    from public.workers as w
    where w.id = any (p_worker_ids)
      and t.worker_id = w.id
      and t.token_id is null
      and t.status = 'In Progress'
      and not queue.needs_no_worker(t);
  exception when lock_not_available then
    null;
  end;
  perform set_config('queue.forgives_starts', 'off', true);
  -- And of what others had ended under them before nothing is held any more.
  perform queue.let_go_of(e.id, null, null, null) from (select i.id from unnest(p_worker_ids) as i (id) order by i.id) as e;
end;
$$;

comment on function queue.free_work(text[], boolean) is
  'Frees what these workers still held, and puts what they run with the service key back into the queue, all but orchestrators that only wait for their children, unless somebody holds one of these tasks or its owner. Starts do not count when p_hands_back, when the worker said goodbye (workers.goodbye_at) or when it was sent home (queue.is_taken_home).';

revoke all on function queue.free_work(text[], boolean) from public, anon, authenticated, service_role;
