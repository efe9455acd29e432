-- The work of workers that have ended goes back to the queue, in one statement, so that the owners of all its tasks are
-- locked in order. Who ends itself hands its work back: that start does not count (queue.tasks_before_update).
create function queue.free_work(p_worker_ids text[], p_hands_back boolean default false)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform set_config('queue.forgives_starts', 'on', true);
  update public.tasks as t
  set status = 'Queued',
    attempts = t.attempts - (p_hands_back or w.goodbye_at is not null)::integer,
    error_message = case
      when p_hands_back or w.goodbye_at is not null then pg_catalog.format(
        'Start %s was handed back: worker %s said that it ends', greatest(t.attempts, 1), w.id
      )
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
  perform set_config('queue.forgives_starts', 'off', true);
end;
$$;

comment on function queue.free_work(text[], boolean) is
  'Puts what these workers run with the service key back into the queue, all but orchestrators that only wait for their children. Starts do not count when p_hands_back, or when the worker said goodbye (workers.goodbye_at).';

revoke all on function queue.free_work(text[], boolean) from public, anon, authenticated, service_role;
