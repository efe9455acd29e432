-- What: a child that is put back, because its replacement was deleted, waits for the part that counts by then.
-- Why: deployed orchestrators that see each child twice delete the younger ones. A chain of children was put back waiting
--   for one that had been deleted before, and its job never ended.
-- Back out: restore both functions from 20261123201000_rules.sql.

set lock_timeout = '900ms';

-- Queued tasks that waited for one task wait for another one from now on.
create or replace function queue.move_dependants(p_from uuid, p_to uuid, p_user_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_waiting uuid[];
begin
  select array_agg(t.id)
  into v_waiting
  from public.tasks as t
  where t.id = any (array(select d.task_id from queue.task_dependencies as d where d.depends_on = p_from))
    and t.status = 'Queued'
    and t.user_id = p_user_id
    and t.id <> p_to;

  -- Also children that were cancelled for another one: they may be put back. Of them only this is written, as nobody
  -- waits for a task while holding an owner; queue.put_back_part brings the task itself up to date.
  update queue.task_dependencies as d
  set depends_on = p_to
  where d.depends_on = p_from
    and d.task_id <> p_to
    and exists (
      select
      from queue.subtasks as s
      where s.task_id = d.task_id and s.user_id = p_user_id and s.replaced_by is not null
    )
    and not exists (select from queue.task_dependencies as e where e.task_id = d.task_id and e.depends_on = p_to);

  if v_waiting is null then
    return;
  end if;

  delete from queue.task_dependencies as d where d.depends_on = p_from and d.task_id = any (v_waiting);
  insert into queue.task_dependencies (task_id, depends_on)
  select w.id, p_to
  from unnest(v_waiting) as w (id)
  on conflict do nothing;

  update public.tasks as t
  set dependant_on = case when t.dependant_on = p_from then p_to else t.dependant_on end,
    standing = null
  where t.id = any (v_waiting)
    and t.status = 'Queued';
end;
$$;

comment on function queue.move_dependants(uuid, uuid, uuid) is
  'Makes this owner''s queued tasks, and replaced children, that wait for the first task wait for the second one instead.';

revoke all on function queue.move_dependants(uuid, uuid, uuid) from public, anon, authenticated, service_role;

-- A child that was cancelled because another one took its place, and that one is gone.
create or replace function queue.put_back_part(p_task_id uuid, p_gone uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_actor text := current_setting('queue.actor', true);
  v_reason text := current_setting('queue.reason', true);
  v_details text := current_setting('queue.details', true);
begin
  perform queue.say(queue.actor(), pg_catalog.format('put back: task %s, which had replaced it, was deleted', p_gone));
  update public.tasks as t
  set status = 'Queued',
    requeue_count = t.requeue_count + 1,
    max_attempts = case
      when t.attempts >= queue.starts_allowed(t) then t.attempts + queue.max_attempts(t.task_type)
      else t.max_attempts
    end,
    error_message = null,
    output_location = null,
    -- What it waited for may have been replaced, or put back, meanwhile.
    dependant_on = coalesce(
      (
        select d.depends_on
        from queue.task_dependencies as d
        where d.task_id = t.id
        order by d.depends_on = t.dependant_on desc, d.depends_on
        limit 1
      ),
      t.dependant_on
    )
  where t.id = p_task_id;
  -- Whoever waits for it had lost it.
  perform queue.ask_standing_again(array(select d.task_id from queue.task_dependencies as d where d.depends_on = p_task_id));
  perform queue.say(v_actor, v_reason, nullif(v_details, '')::jsonb);
end;
$$;

comment on function queue.put_back_part(uuid, uuid) is
  'Queues a cancelled child again whose replacement was deleted.';

revoke all on function queue.put_back_part(uuid, uuid) from public, anon, authenticated, service_role;
