-- Puts dead letters back into the queue: the one way out of a final state. The starts so far stay counted, and the task
-- gets as many more as its type allows.
create function queue.requeue_tasks(
  p_caller jsonb,
  p_task_ids uuid[],
  p_filter jsonb,
  p_limit integer,
  p_reason text,
  p_dry_run boolean
)
returns json
language plpgsql
volatile
security definer -- writes requeue_count, which no API role may
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_max constant integer := 1000;
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service']);
  v_limit integer := coalesce(p_limit, case when p_task_ids is null then 100 else v_max end);
  v_matching uuid[];
  v_ids uuid[];
  v_has_more boolean := false;
begin
  perform queue.open_tables(true);
  if v_limit not between 1 and v_max then
    perform queue.refuse(400, 'INVALID_ARGUMENT', pg_catalog.format('The limit must be 1 to %s, not %s', v_max, p_limit));
  elsif (p_task_ids is null) = (p_filter is null) then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'Name the tasks by their ids or by a filter, one of the two');
  end if;

  if p_task_ids is not null then
    -- All that are named or none: those that were left out would be thought to run.
    v_matching := array(select distinct x.id from unnest(p_task_ids) as x (id) where x.id is not null);
    if cardinality(v_matching) > v_limit then
      perform queue.refuse(
        400, 'INVALID_ARGUMENT',
        pg_catalog.format('One call puts at most %s tasks back, %s are named; none was put back', v_limit, cardinality(v_matching)),
        pg_catalog.format('Name at most %s at a time, or use a filter and repeat while has_more is true', v_max)
      );
    end if;
  else
    v_matching := array(select x.id from queue.dead_letters(p_filter, v_limit + 1) as x);
    v_has_more := cardinality(v_matching) > v_limit;
    v_matching := v_matching[:v_limit];
  end if;

  -- What somebody else is just changing is left for the next call.
  select array_agg(l.id)
  into v_ids
  from (
    select t.id
    from public.tasks as t
    where t.id = any (v_matching)
      and t.status in ('Failed', 'Cancelled')
    order by t.id
    for no key update skip locked
  ) as l;

  if v_ids is not null and not coalesce(p_dry_run, false) then
    perform queue.say(queue.caller_name(v_caller), 'put back by an operator' || coalesce(': ' || queue.cut_text(nullif(p_reason, '')), ''));
    update public.tasks as t
    set status = 'Queued',
      requeue_count = t.requeue_count + 1,
      max_attempts = t.attempts + queue.max_attempts(t.task_type),
      available_at = null,
      output_location = null -- the reason of the failure, kept in error_message
    where t.id = any (v_ids);
    -- Tasks that were put back together may wait for one another, and children with a live parent are not stale.
    perform queue.ask_standing_again(
      v_ids
      || array(
        select s.task_id
        from queue.subtasks as s
          join public.tasks as t on t.id = s.task_id
        where s.orchestrator_id = any (v_ids)
          and t.standing = 'stale'
      )
    );
    perform queue.settle_dependants(v_ids, v_ids);
    perform queue.say(null);
  end if;

  return json_build_object(
    'requeued', case when p_dry_run then 0 else coalesce(cardinality(v_ids), 0) end,
    'matched', coalesce(cardinality(v_ids), 0),
    'task_ids', to_json(coalesce(v_ids, array[]::uuid[])),
    -- Not Failed or Cancelled, not there, or just being changed by somebody else.
    'passed_over', to_json(array(select m.id from unnest(v_matching) as m (id) where m.id <> all (coalesce(v_ids, array[]::uuid[])))),
    'has_more', v_has_more,
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;

comment on function queue.requeue_tasks(jsonb, uuid[], jsonb, integer, text, boolean) is 'See public.requeue_tasks.';

revoke all on function queue.requeue_tasks(jsonb, uuid[], jsonb, integer, text, boolean) from public, anon, authenticated, service_role;
grant execute on function queue.requeue_tasks(jsonb, uuid[], jsonb, integer, text, boolean) to service_role;
