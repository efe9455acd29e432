-- Why a task is queued again whose machine was sent home (queue.is_taken_home).
create function queue.reason_of_home(p_worker public.workers, p_attempts integer)
returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  select pg_catalog.format(
    'Start %s was handed back: worker %s was sent home (%s)', greatest(p_attempts, 1), p_worker.id,
    coalesce(nullif(p_worker.metadata ->> 'error_reason', ''), p_worker.metadata ->> 'termination_reason')
  );
$$;

comment on function queue.reason_of_home(public.workers, integer) is
  'The reason for this start to be over when its worker was sent home.';

revoke all on function queue.reason_of_home(public.workers, integer) from public, anon, authenticated, service_role;
