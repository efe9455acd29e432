-- Mends what is known of one user's families. The caller holds the user's lock.
create function queue.reconcile_families(p_user_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into queue.subtasks (task_id, orchestrator_id, user_id, task_type, final_rank, part_index)
  select c.task_id, c.orchestrator_id, c.user_id, c.task_type, c.final_rank, c.part_index
  from (
    select t.created_at, (queue.subtask_of(t.id, t.user_id, t.task_type, t.params)).*
    from public.tasks as t
    where t.user_id = p_user_id
      and t.standing is not null
      and t.params ? 'orchestrator_task_id_ref'
  ) as c
  where c.task_id is not null
  order by c.created_at, c.task_id
  on conflict (task_id) do update
    set orchestrator_id = excluded.orchestrator_id,
      task_type = excluded.task_type,
      final_rank = excluded.final_rank,
      part_index = excluded.part_index;

  insert into queue.orchestrations as o
  select r.*
  from queue.recount_families(array(
    select t.id
    from public.tasks as t
    where t.user_id = p_user_id
      and t.standing is not null
      and exists (select from queue.subtasks as s where s.orchestrator_id = t.id)
    union
    select k.orchestrator_id from queue.orchestrations as k where k.user_id = p_user_id and k.ended_as is null
  )) as r
  on conflict (orchestrator_id) do update
    set user_id = excluded.user_id,
      open_count = excluded.open_count,
      complete_count = excluded.complete_count,
      failed_count = excluded.failed_count,
      cancelled_count = excluded.cancelled_count,
      segment_count = excluded.segment_count,
      join_count = excluded.join_count,
      stitch_count = excluded.stitch_count,
      ended_as = excluded.ended_as
    where (
      o.user_id, o.open_count, o.complete_count, o.failed_count, o.cancelled_count, o.segment_count, o.join_count, o.stitch_count, o.ended_as
    ) is distinct from (
      excluded.user_id, excluded.open_count, excluded.complete_count, excluded.failed_count, excluded.cancelled_count,
      excluded.segment_count, excluded.join_count, excluded.stitch_count, excluded.ended_as
    );

  delete from queue.orchestrations as o
  where o.user_id = p_user_id
    and o.ended_as is null
    and not exists (select from public.tasks as t where t.id = o.orchestrator_id and t.user_id = o.user_id);
end;
$$;

comment on function queue.reconcile_families(uuid) is
  'Finds the children that are not known as such and counts the families of this user again.';

revoke all on function queue.reconcile_families(uuid) from public, anon, authenticated, service_role;
