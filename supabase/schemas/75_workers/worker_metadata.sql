-- What is kept beside a worker: its metadata, its model, refused claims.

-- The orchestrator, the machine's startup script and the worker itself all read metadata whole and write it whole, each
-- with keys of its own. What one has written since the other read must survive that. So a direct write adds and changes
-- keys, and takes none away; null is a value. What was said of an end belongs to that end and goes with it.
-- Keys of a worker's metadata survive a direct write of the service key that does not name them, but error_reason,
-- error_time, termination_reason and self_terminated.
create function queue.workers_before_metadata()
returns trigger
language plpgsql
security invoker
set search_path = ''
as $$
begin
  new.metadata := queue.metadata_without_end(old.metadata) || new.metadata;
  return new;
end;
$$;

create trigger workers_before_metadata
  before update of metadata on public.workers
  for each row
  -- Asked here, with the rights of whoever writes: the beats of the queue itself need not call it.
  when (
    new.metadata is distinct from old.metadata and current_user = 'service_role' and jsonb_typeof(new.metadata) = 'object'
  )
  execute function queue.workers_before_metadata();

-- What orchestrators keep beside their workers is read with each of them, so it has the bounds of params.
-- Refuses metadata of workers that are out of the bounds of queue.json_fault with 413 PARAMS_TOO_LARGE.
create function queue.workers_keep_metadata_small()
returns trigger
language plpgsql
security definer -- whoever may write may hear the refusal
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  if tg_op = 'INSERT' or new.metadata is distinct from old.metadata then
    perform queue.refuse_large_json(new.metadata, 'metadata');
  end if;
  return new;
end;
$$;

create trigger workers_keep_metadata_small
  before insert or update of metadata on public.workers
  for each row
  when (pg_column_size(new.metadata) > 100)
  execute function queue.workers_keep_metadata_small();

-- Orchestrators set aside machines that they did not rent: those that are not rented (queue.is_rented). Their word stands, so such a
-- machine gets no work, and it would be set aside again at their next cycle. Whoever started it by hand says so here.
-- See public.keep_worker.
create function queue.keep_worker(p_caller jsonb, p_worker_id text, p_keep boolean)
returns json
language plpgsql
volatile
security definer -- writes kept_at, which no API role may
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_worker public.workers;
begin
  perform queue.resolve_caller(p_caller, array['service']);

  update public.workers as w
  set kept_at = case when coalesce(p_keep, true) then queue.now() end
  where w.id = p_worker_id
  returning w.* into v_worker;
  if not found then
    perform queue.refuse(
      404, 'WORKER_NOT_FOUND', pg_catalog.format('There is no worker %s', p_worker_id), 'Its first beat announces it'
    );
  end if;

  if v_worker.kept_at is not null and (v_worker.status = 'terminating' or queue.has_ended(v_worker.status)) then
    update public.workers as w
    set status = 'active',
      metadata = queue.metadata_without_end(w.metadata)
        || jsonb_build_object('last_error_reason', w.metadata -> 'error_reason')
    where w.id = p_worker_id
    returning w.* into v_worker;
  end if;

  return json_build_object('worker_id', v_worker.id, 'status', v_worker.status, 'kept_at', v_worker.kept_at);
end;
$$;

-- Which model a worker has loaded: claims prefer tasks that suit it. A worker that never announced itself is not
-- created here, because a row would make it one that is expected to beat.
-- See public.update_worker_model.
create function queue.update_worker_model(p_caller jsonb, p_worker_id text, p_model text)
returns json
language plpgsql
volatile
security definer -- looks up the caller's token
set search_path = ''
as $$
declare
  v_model constant text := left(p_model, 200); -- as tasks.model is cut
begin
  perform queue.resolve_caller(p_caller, array['service']);

  if v_model is null or v_model = '' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The model must be named');
  end if;

  -- Workers say it before every generation: the same model again writes nothing.
  update public.workers as w
  set current_model = v_model
  where w.id = p_worker_id
    and w.current_model is distinct from v_model;

  if not found and not exists (select from public.workers as w where w.id = p_worker_id) then
    perform queue.refuse(
      404, 'WORKER_NOT_FOUND', pg_catalog.format('There is no worker %s', p_worker_id), 'Its first beat announces it'
    );
  end if;

  return json_build_object('worker_id', p_worker_id, 'current_model', v_model);
end;
$$;

-- Notes that a worker claims although it gets nothing. The refused claim has rolled back, so the function that answers
-- it calls this; an idle poll of a refused worker writes once a minute.
-- See public.note_refused_claim.
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

-- What a worker's metadata say when it is there again after an end of its own: what was wrong then is over.
-- The metadata of this worker without what was said of its goodbye, crash or silence; of the latter two the reason stays
-- as last_error_reason.
create function queue.metadata_after_return(p_worker public.workers)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when p_worker.goodbye_at is not null then queue.metadata_without_end(p_worker.metadata)
    when p_worker.reaped_at is null and p_worker.status <> 'crashed' then p_worker.metadata
    else queue.metadata_without_end(p_worker.metadata)
      || jsonb_build_object('last_error_reason', p_worker.metadata -> 'error_reason')
  end;
end;
$$;

-- What was said of one end of a worker belongs to that end: once it is over it must neither be read as the reason of the
-- next one, nor bring it about.
-- A worker's metadata without error_reason, error_time, termination_reason and self_terminated.
create function queue.metadata_without_end(p_metadata jsonb)
returns jsonb
language sql
immutable
security invoker
set search_path = ''
as $$
  select p_metadata - '{error_reason,error_time,termination_reason,self_terminated}'::text[];
$$;
