-- Which model a worker has loaded: claims prefer tasks that suit it. A worker that never announced itself is not
-- created here, because a row would make it one that is expected to beat.
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

comment on function queue.update_worker_model(jsonb, text, text) is 'See public.update_worker_model.';

revoke all on function queue.update_worker_model(jsonb, text, text) from public, anon, authenticated, service_role;
grant execute on function queue.update_worker_model(jsonb, text, text) to service_role;
