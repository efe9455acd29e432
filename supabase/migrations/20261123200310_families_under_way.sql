-- What: the families of orchestrators that are under way, and the job that ends what was missed.
-- Why: they were there before anything counted them. A file of its own, because it reads many tasks and must not do so
-- under the locks that new columns took. Only live tasks that look like orchestrators are looked at, and of each only its
-- owner's tasks since, so that a long history costs nothing.
-- Back out: unschedule queue-mend-orchestrations; empty queue.subtasks and queue.orchestrations.

set lock_timeout = '900ms';
set statement_timeout = 0;

do $$
begin
  -- Applied before, or families are counted already.
  if exists (select from queue.subtasks) then
    return;
  end if;

  insert into queue.subtasks (task_id, orchestrator_id, user_id, task_type, final_rank, part_index)
  select
    t.id, o.id, t.user_id, t.task_type,
    case
      when t.task_type like '%\_stitch' then 3
      when t.params ->> 'join_index' ~ '^[0-9]{1,9}$' then 2
      when t.params ->> 'segment_index' ~ '^[0-9]{1,9}$' and t.task_type like '%segment%' then 1
      else 0
    end,
    case
      when t.task_type like '%\_stitch' then 0
      when t.params ->> 'join_index' ~ '^[0-9]{1,9}$' then (t.params ->> 'join_index')::integer
      when t.params ->> 'segment_index' ~ '^[0-9]{1,9}$' then (t.params ->> 'segment_index')::integer
    end
  from public.tasks as o
    join public.tasks as t on t.user_id = o.user_id and t.created_at >= o.created_at
  where o.status in ('Queued', 'In Progress')
    and (not o.takes_slot or o.task_type like '%orchestrator%')
    and o.user_id is not null
    and lower(t.params ->> 'orchestrator_task_id_ref') = o.id::text
  order by t.created_at, t.id;

  -- Of several children for one part the complete one counts, else the first: deployed clients delete the later ones.
  update queue.subtasks as s
  set replaced_by = k.task_id
  from (
    select distinct on (c.orchestrator_id, c.task_type, c.part_index)
      c.orchestrator_id, c.task_type, c.part_index, c.task_id
    from queue.subtasks as c
      join public.tasks as t on t.id = c.task_id
    where c.part_index is not null
    order by c.orchestrator_id, c.task_type, c.part_index, t.status = 'Complete' desc, t.status in ('Queued', 'In Progress') desc, c.seq
  ) as k
  where s.orchestrator_id = k.orchestrator_id
    and s.task_type = k.task_type
    and s.part_index = k.part_index
    and s.task_id <> k.task_id;

  insert into queue.orchestrations (
    orchestrator_id, user_id, open_count, complete_count, failed_count, cancelled_count,
    segment_count, join_count, stitch_count, enqueued_attempt, changed_at
  )
  select
    s.orchestrator_id, s.user_id,
    count(*) filter (where t.status in ('Queued', 'In Progress')),
    count(*) filter (where t.status = 'Complete'),
    count(*) filter (where t.status = 'Failed'),
    count(*) filter (where t.status = 'Cancelled'),
    count(*) filter (where s.final_rank = 1),
    count(*) filter (where s.final_rank = 2),
    count(*) filter (where s.final_rank = 3),
    -- The text that a running orchestrator leaves is its report.
    max(o.attempts) filter (where o.status = 'In Progress' and o.output_location <> ''),
    queue.now()
  from queue.subtasks as s
    join public.tasks as t on t.id = s.task_id
    join public.tasks as o on o.id = s.orchestrator_id
  where s.replaced_by is null
  group by s.orchestrator_id, s.user_id;
end;
$$;

select cron.schedule('queue-mend-orchestrations', '* * * * *', 'select queue.mend_orchestrations()');
