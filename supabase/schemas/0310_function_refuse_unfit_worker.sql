-- A worker that is on its way out gets no work. A worker that the table does not know may claim: API workers and
-- users' own machines never register.
create function queue.refuse_unfit_worker(p_worker_id text)
returns void
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_status text;
  v_reason text;
begin
  select w.status, w.metadata ->> 'error_reason'
  into v_status, v_reason
  from public.workers as w
  where w.id = p_worker_id
    and w.status in ('terminating', 'terminated', 'error');

  if v_status is not null then
    perform queue.refuse(
      409, 'WORKER_NOT_ELIGIBLE',
      pg_catalog.format('Worker %s gets no tasks: its status is %s%s', p_worker_id, v_status, coalesce(' (' || v_reason || ')', '')),
      'Stop claiming; a replacement claims under an id of its own'
    );
  end if;
end;
$$;

comment on function queue.refuse_unfit_worker(text) is
  'Raises 409 WORKER_NOT_ELIGIBLE when the worker is terminating, terminated or in error.';

revoke all on function queue.refuse_unfit_worker(text) from public, anon, authenticated, service_role;
