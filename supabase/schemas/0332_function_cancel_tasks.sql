-- Cancels many tasks at once, a batch a call, for owners and operators. What hangs on them goes with them as ever.
create function queue.cancel_tasks(p_caller jsonb, p_filter jsonb, p_limit integer, p_reason text)
returns json
language plpgsql
volatile
security definer -- reads the derived state, and cancels for tokens and users
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_limit integer := coalesce(p_limit, 1000);
  v_found uuid[];
  v_mine uuid[];
  v_reason text := queue.cut_text(nullif(p_reason, ''));
  v_cancelled integer;
begin
  perform queue.open_tables(false);
  if v_limit not between 1 and 1000 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The limit must be 1 to 1000, not %s', p_limit));
  elsif jsonb_typeof(p_filter) is distinct from 'object' then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The filter must be a JSON object');
  end if;

  v_found := array(select f.id from queue.tasks_to_cancel_for(v_caller, p_filter, v_limit + 1) as f (id));

  -- What somebody is just changing is left for the next call: it may be ending.
  v_mine := array(
    select t.id
    from public.tasks as t
    where t.id = any (v_found[:v_limit])
      and t.status in ('Queued', 'In Progress')
    order by t.id
    for no key update skip locked
  );

  perform queue.say(queue.caller_name(v_caller));
  update public.tasks as t
  set status = 'Cancelled',
    error_message = coalesce(v_reason, 'Cancelled on request')
  where t.id = any (v_mine);
  get diagnostics v_cancelled = row_count;
  perform queue.say(null);

  return json_build_object(
    'cancelled', v_cancelled,
    'passed_over', cardinality(v_found[:v_limit]) - v_cancelled,
    'has_more', cardinality(v_found) > v_limit
  );
end;
$$;

comment on function queue.cancel_tasks(jsonb, jsonb, integer, text) is 'See public.cancel_tasks.';

revoke all on function queue.cancel_tasks(jsonb, jsonb, integer, text) from public, anon, authenticated, service_role;
grant execute on function queue.cancel_tasks(jsonb, jsonb, integer, text) to service_role;
