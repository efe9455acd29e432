-- Adds a type of task or changes one. What hangs on it follows by the table's trigger (queue.task_types_after_write): the
-- change costs the same however many tasks of it wait or run, and claims obey it from its commit on.
create function queue.set_task_type(p_caller jsonb, p_name text, p_changes jsonb)
returns json
language plpgsql
volatile
security definer -- reads the derived state
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_old public.task_types;
  v_new public.task_types;
begin
  perform queue.resolve_caller(p_caller, array['service']);
  if coalesce(length(p_name), 0) not between 1 and 200 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The name of a type must have 1 to 200 characters');
  end if;

  perform queue.open_tables(false);
  -- Two at once for a new name: the second waits, and then changes what the first has added.
  perform queue.wait_for_name('queue.task_type::' || p_name, 'Another change of this type');
  select y.* into v_old from public.task_types as y where y.name = p_name for no key update;
  v_new := queue.read_type_changes(case when v_old.name is null then queue.type_by_name(p_name) else v_old end, p_changes);

  if v_old.name is null then
    insert into public.task_types (
      name, run_type, category, content_type, is_active, creates_generation, max_attempts, timeout, is_retryable,
      runs_on_own_gpu
    )
    values (
      v_new.name, v_new.run_type, v_new.category, v_new.content_type, v_new.is_active, v_new.creates_generation,
      v_new.max_attempts, v_new.timeout, v_new.is_retryable, v_new.runs_on_own_gpu
    )
    on conflict (name) do nothing;
    if not found then
      perform queue.refuse(503, 'UNAVAILABLE', 'Somebody has just added a type of this name', 'Repeat the same request');
    end if;
  elsif v_old is distinct from v_new then
    update public.task_types as y
    set run_type = v_new.run_type,
      category = v_new.category,
      content_type = v_new.content_type,
      is_active = v_new.is_active,
      creates_generation = v_new.creates_generation,
      max_attempts = v_new.max_attempts,
      timeout = v_new.timeout,
      is_retryable = v_new.is_retryable,
      runs_on_own_gpu = v_new.runs_on_own_gpu
    where y.name = p_name;
  end if;

  return json_build_object(
    'name', p_name,
    'change', case when v_old.name is null then 'added' when v_old is distinct from v_new then 'changed' else 'none' end,
    'before', case when v_old.name is not null then queue.type_as_json(v_old) end,
    'type', queue.type_as_json(v_new),
    'is_settled', not exists (select from queue.deferred_work as w where w.task_type = p_name)
  );
end;
$$;

comment on function queue.set_task_type(jsonb, text, jsonb) is 'See public.set_task_type.';

revoke all on function queue.set_task_type(jsonb, text, jsonb) from public, anon, authenticated, service_role;
grant execute on function queue.set_task_type(jsonb, text, jsonb) to service_role;
