-- Complete tasks that have nothing to show, and records that name another result than their task: from before the queue
-- recorded results itself, or from a hand in the tables. Nothing here can come about through the queue.
--
-- What the app did on purpose stays as it is. A task that says that its record was made (generation_created) and has none
-- had it deleted; a record in another place than its task's output was moved there. Both might be faults all the same,
-- which no row can tell: they are listed, and mended only for who names them.
create function queue.repair_generations(p_limit integer, p_dry_run boolean, p_task_ids uuid[])
returns json
language plpgsql
volatile
security definer -- writes generation_created, which no API role may
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_missing uuid[];
  v_torn uuid[];
  v_doubtful uuid[];
begin
  perform queue.open_tables(true);
  if p_limit is null or p_limit not between 1 and 10000 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The limit must be 1 to 10000');
  end if;
  if cardinality(p_task_ids) > p_limit then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', pg_catalog.format('%s ids are more than the limit of %s', cardinality(p_task_ids), p_limit)
    );
  end if;

  select array_agg(m.id)
  into v_missing
  from (
    select t.id
    from public.tasks as t
      join public.task_types as y on y.name = t.task_type and y.creates_generation
      left join public.generations as g on g.task_id = t.id
    where t.status = 'Complete'
      and g.id is null
      and case when p_task_ids is null then not t.generation_created else t.id = any (p_task_ids) end
      and queue.creates_generation(t.task_type, t.params)
      -- A repeated child that is Complete because the first one is shows the first one's record.
      and not exists (select from queue.subtasks as s where s.task_id = t.id and s.replaced_by is not null)
    order by t.id
    limit p_limit
    for no key update of t skip locked
  ) as m;

  select array_agg(w.id)
  into v_torn
  from (
    select t.id
    from public.tasks as t
      join public.generations as g on g.task_id = t.id
    where t.status = 'Complete'
      and t.id = any (p_task_ids)
      and g.location is distinct from coalesce(t.file_location, t.output_location)
    order by t.id
    for no key update of t skip locked
  ) as w;

  if p_task_ids is null then
    select array_agg(d.id)
    into v_doubtful
    from (
      select t.id
      from public.tasks as t
        left join public.generations as g on g.task_id = t.id
      where t.status = 'Complete'
        and case
          when g.id is not null then g.location is distinct from coalesce(t.file_location, t.output_location)
          else t.generation_created and queue.creates_generation(t.task_type, t.params)
        end
      order by t.id
      limit p_limit
    ) as d;
  end if;

  if not coalesce(p_dry_run, false) then
    perform queue.say('queue.repair_generations');
    update public.tasks as t set generation_created = true where t.id = any (v_missing) and not t.generation_created;
    perform queue.record_generations(v_missing || v_torn);
    insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason)
    select
      t.id, t.user_id, queue.now(), t.status, t.status, t.worker_id, t.attempts, 'queue.repair_generations',
      case when t.id = any (v_missing) then 'its result record was missing, and was made' else 'its result record named another result, and was mended' end
    from public.tasks as t
    where t.id = any (v_missing || v_torn);
    perform queue.say(null);
  end if;

  return json_build_object(
    'missing', coalesce(cardinality(v_missing), 0),
    'torn', coalesce(cardinality(v_torn), 0),
    'task_ids', to_json(coalesce(v_missing || v_torn, v_missing, v_torn, array[]::uuid[])),
    'doubtful_ids', to_json(coalesce(v_doubtful, array[]::uuid[])),
    -- Perhaps: one more call finds out.
    'has_more', p_task_ids is null and coalesce(cardinality(v_missing) >= p_limit, false),
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;

comment on function queue.repair_generations(integer, boolean, uuid[]) is 'See public.repair_generations.';

revoke all on function queue.repair_generations(integer, boolean, uuid[]) from public, anon, authenticated, service_role;
grant execute on function queue.repair_generations(integer, boolean, uuid[]) to service_role;
