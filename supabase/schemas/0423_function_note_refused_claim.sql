-- Notes that a worker claims although it gets nothing. The refused claim has rolled back, so the function that answers
-- it calls this; an idle poll of a refused worker writes once a minute.
create function queue.note_refused_claim(p_caller jsonb, p_worker_id text)
returns boolean
language plpgsql
volatile
security definer -- API roles only read the table
set search_path = ''
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service']);
  v_now timestamptz := queue.now();
  v_status text;
begin
  -- An api worker of which an orchestrator said that it is silent or gone: it is not. Its next claim is answered.
  update public.workers as w
  set status = 'active', metadata = queue.metadata_after_return(w)
  where w.id = p_worker_id
    and v_caller.kind = 'service'
    and w.instance_type = 'api'
    and w.status in ('terminating', 'terminated', 'error')
    and w.reaped_at is not null;
  if found then
    return false;
  end if;

  select w.status
  into v_status
  from public.workers as w
  where w.id = p_worker_id
    and v_caller.kind = 'service'
    and w.status in ('terminating', 'terminated', 'error')
    and w.goodbye_at is null
    and not exists (
      select
      from queue.claim_refusals as r
      where r.worker_id = w.id
        and r.last_at > v_now - interval '1 minute'
    );
  if not found then
    return false;
  end if;

  insert into queue.claim_refusals as r (worker_id, status, first_at, last_at)
  values (p_worker_id, v_status, v_now, v_now)
  on conflict (worker_id) do update
  set status = excluded.status, last_at = excluded.last_at;

  delete from queue.claim_refusals as r where r.last_at < v_now - interval '7 days';
  return true;
end;
$$;

comment on function queue.note_refused_claim(jsonb, text) is 'See public.note_refused_claim.';

revoke all on function queue.note_refused_claim(jsonb, text) from public, anon, authenticated, service_role;
grant execute on function queue.note_refused_claim(jsonb, text) to service_role;

create function public.note_refused_claim(p_caller jsonb, p_worker_id text)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.note_refused_claim(p_caller, p_worker_id);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.note_refused_claim(jsonb, text) is
  'Notes, at most once a minute and worker, that a claim was refused because of the worker''s status; true when it did. An api worker that only others said to be silent or gone is active again. service_role only.';

revoke all on function public.note_refused_claim(jsonb, text) from public, anon, authenticated, service_role;
grant execute on function public.note_refused_claim(jsonb, text) to service_role;
