-- What: every function that changed with the bounds, the waits and the turns, as supabase/schemas/ has it.
-- Why: nothing that one user, one row or one client does may stop the others.
-- Back out: apply the same functions of the files before this one again.

set lock_timeout = '900ms';

drop function if exists queue.note_enqueued(uuid);

-- After an update statement: counters, history, result records, dependants and families follow, in the same transaction and
-- whatever the way in.
create or replace function queue.tasks_after_update()
returns trigger
language plpgsql
security definer -- writes derived state on behalf of any caller who may update
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_changes queue.load_change[];
  v_complete uuid[];
  v_lost queue.task_end[];
  v_owners uuid[];
  v_moved uuid[];
  v_from text[];
  v_to text[];
  v_now timestamptz;
  v_is_direct boolean := coalesce(current_setting('queue.actor', true), '') = '';
  v_reports jsonb;
  v_report record;
begin
  v_now := queue.now();

  select
    array_agg(n.id) filter (where n.status = 'Complete'),
    array_agg((n.id, n.user_id, n.status, n.error_message)::queue.task_end) filter (where n.status in ('Failed', 'Cancelled')),
    array_agg(distinct n.user_id),
    array_agg(n.id), array_agg(o.status), array_agg(n.status)
  into v_complete, v_lost, v_owners, v_moved, v_from, v_to
  from new_rows as n
    join old_rows as o on o.id = n.id
  where n.status <> o.status
    -- Ended, or put back after its end.
    and (n.status not in ('Queued', 'In Progress') or o.status not in ('Queued', 'In Progress'));

  -- What a direct change puts into the text of an orchestrator, it says like a report (queue.update_task_status).
  if v_is_direct then
    select jsonb_agg(jsonb_build_object('id', n.id, 'text', n.output_location) order by n.user_id, n.id)
    into v_reports
    from new_rows as n
      join old_rows as o on o.id = n.id
    where n.status = 'In Progress'
      and o.status = 'In Progress'
      and n.output_location <> ''
      and n.output_location is distinct from o.output_location
      and (not n.takes_slot or n.task_type like '%orchestrat%');
  end if;

  -- Other tasks are locked before any owner, like everywhere.
  if v_reports is not null then
    perform queue.lock_relatives_of(
      array(select r.id from jsonb_to_recordset(v_reports) as r (id uuid)), array(select distinct n.user_id from new_rows as n), false
    );
  end if;
  if v_complete is not null then
    perform queue.lock_relatives_of(v_complete, v_owners, false);
  end if;
  if v_lost is not null then
    perform queue.lock_relatives_of((select array_agg(l.task_id) from unnest(v_lost) as l), v_owners, true);
  end if;

  select array_agg((g.user_id, g.pool, g.is_cloud, g.takes_slot, g.standing, g.delta)::queue.load_change)
  into v_changes
  from (
    select m.user_id, m.pool, m.is_cloud, m.takes_slot, m.standing, sum(m.delta)::integer as delta
    from (
      select
        o.user_id, o.pool,
        case when o.status = 'In Progress' then o.token_id is null else o.run_type is distinct from 'local' end as is_cloud,
        o.takes_slot, o.standing, -1 as delta
      from old_rows as o
      where o.standing is not null
      union all
      select
        n.user_id, n.pool,
        case when n.status = 'In Progress' then n.token_id is null else n.run_type is distinct from 'local' end,
        n.takes_slot, n.standing, 1
      from new_rows as n
      where n.standing is not null
    ) as m
    group by 1, 2, 3, 4, 5
    having sum(m.delta) <> 0
  ) as g;

  if v_changes is not null then
    perform queue.shift_load(v_changes, v_now);
  end if;

  -- The state, or the start (a second start by the same worker changes only the lease).
  insert into public.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
  select
    n.id, n.user_id, v_now, o.status, n.status, coalesce(n.worker_id, o.worker_id),
    greatest(n.attempts, o.attempts), -- a start that is taken off again is still told by its number
    queue.actor(),
    coalesce(
      nullif(current_setting('queue.reason', true), ''),
      case
        when n.status = 'In Progress' and n.attempts = o.attempts then 'handed out again, the reply was lost'
        when n.status = 'In Progress' then 'started again by its holder'
      end,
      case
        when n.status not in ('Failed', 'Queued', 'Cancelled') then null
        when n.error_message is distinct from o.error_message then n.error_message
        when n.error_details is distinct from o.error_details then n.error_details
        when n.status = 'Failed' then n.error_message
        -- Said again in the same words, which looks like not said.
        when o.status = 'In Progress' and coalesce(current_setting('queue.actor', true), '') = '' then n.error_message
      end
    ),
    case
      when o.status = 'In Progress' and n.status in ('Queued', 'Failed') then
        coalesce(nullif(current_setting('queue.details', true), '')::jsonb, '{}')
          || jsonb_build_object('signs', queue.signs_of_life(o.id, o.worker_id, o.claimed_at, o.reported_at))
      else nullif(current_setting('queue.details', true), '')::jsonb
    end
  from new_rows as n
    join old_rows as o on o.id = n.id
  where n.status <> o.status
    or n.lease_token <> o.lease_token;

  if v_is_direct then
    perform set_config('queue.details', '', true);
  end if;

  if v_complete is not null then
    perform queue.record_generations(v_complete);
    perform queue.settle_dependants(v_complete);
  end if;
  -- The family first: its orchestrator names the child that failed, not one that went with it.
  if v_moved is not null then
    perform queue.settle_families(v_moved, v_from, v_to);
  end if;
  if v_lost is not null then
    perform queue.settle_lost(v_lost);
  end if;
  for v_report in select r.id, r.text from jsonb_to_recordset(v_reports) as r (id uuid, text text) loop
    perform queue.note_enqueued(v_report.id, v_report.text);
  end loop;

  return null;
end;
$$;

comment on function queue.tasks_after_update() is
  'Trigger: counters, history, result records, dependants and families of changed tasks.';

revoke all on function queue.tasks_after_update() from public, anon, authenticated, service_role;

-- An orchestrator that had enqueued all of its children, and they are all gone: nothing is left that could end it, and no
-- worker is to enqueue them again, because somebody took them away. The caller holds the locks on the orchestrator and on
-- its owner.
create or replace function queue.cancel_childless(p_orchestrator_id uuid, p_reason text)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform queue.end_tasks(array_agg((t.id, t.user_id, 'Cancelled', p_reason)::queue.task_end))
  from queue.orchestrations as o
    join public.tasks as t on t.id = o.orchestrator_id and t.user_id = o.user_id
  where o.orchestrator_id = p_orchestrator_id
    and o.ended_as is null
    and o.enqueued_attempt = t.attempts
    and o.open_count + o.complete_count + o.failed_count + o.cancelled_count = 0
    and t.status = 'In Progress'
  having count(*) > 0;
end;
$$;

comment on function queue.cancel_childless(uuid, text) is
  'Cancels this orchestrator with the reason if it runs, had enqueued all of its children in this start, and none is left.';

revoke all on function queue.cancel_childless(uuid, text) from public, anon, authenticated, service_role;

-- Tasks that are no children of their orchestrators any more, because they were deleted or are somebody else's now.
-- Deployed clients delete what they think is a duplicate, and that may be the child that counts: then the one that it had
-- replaced counts again, and is put back if it was cancelled for it. The caller holds the locks of all of them.
create or replace function queue.take_out_children(p_task_ids uuid[], p_statuses text[])
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_gone record;
  v_heir queue.subtasks;
  v_heir_task public.tasks;
  v_orchestrators uuid[];
begin
  -- What was complete stays complete when a part of it goes: nobody will enqueue that part again.
  update queue.orchestrations as o
  set enqueued_attempt = t.attempts
  from public.tasks as t
  where o.orchestrator_id = any (array(
      select s.orchestrator_id from queue.subtasks as s where s.task_id = any (p_task_ids) and s.replaced_by is null
    ))
    and o.ended_as is null
    and t.id = o.orchestrator_id
    and t.status = 'In Progress'
    and o.enqueued_attempt is distinct from t.attempts
    and queue.is_enqueued(o, t);

  for v_gone in
    select s as child, p_statuses[array_position(p_task_ids, s.task_id)] as status, o.ended_as
    from queue.subtasks as s
      left join queue.orchestrations as o on o.orchestrator_id = s.orchestrator_id and o.user_id = s.user_id
    where s.task_id = any (p_task_ids)
  loop
    delete from queue.subtasks as s where s.task_id = (v_gone.child).task_id;
    if (v_gone.child).replaced_by is not null then
      -- Whoever waited for a copy may as well wait for the child that counts.
      perform queue.move_dependants((v_gone.child).task_id, (v_gone.child).replaced_by, (v_gone.child).user_id);
      continue;
    end if;

    perform queue.count_child(v_gone.child, v_gone.status, -1);
    v_orchestrators := v_orchestrators || (v_gone.child).orchestrator_id;

    select s.*
    into v_heir
    from queue.subtasks as s
      join public.tasks as t on t.id = s.task_id
    where s.replaced_by = (v_gone.child).task_id
    order by t.status = 'Complete' desc, s.seq
    limit 1;
    continue when v_heir.task_id is null;

    update queue.subtasks as s
    set replaced_by = case when s.task_id <> v_heir.task_id then v_heir.task_id end
    where s.replaced_by = (v_gone.child).task_id;
    perform queue.move_dependants((v_gone.child).task_id, v_heir.task_id, v_heir.user_id);

    select t.* into v_heir_task from public.tasks as t where t.id = v_heir.task_id;
    perform queue.count_child(v_heir, v_heir_task.status, 1);
    if v_heir_task.status = 'Cancelled' and v_gone.ended_as is null then
      perform queue.put_back_part(v_heir.task_id, (v_gone.child).task_id);
    end if;
  end loop;

  return array(select distinct o.id from unnest(v_orchestrators) as o (id) order by o.id);
end;
$$;

comment on function queue.take_out_children(uuid[], text[]) is
  'Takes these tasks, which have or had these statuses, out of their families, lets replaced ones take their places again, and returns the orchestrators that are to be judged anew. Call it under the owners'' locks.';

revoke all on function queue.take_out_children(uuid[], text[]) from public, anon, authenticated, service_role;

-- Deleted tasks leave their families, and the children of a deleted orchestrator are cancelled. An orchestrator that has
-- lost its last child is cancelled, too; one that keeps some is judged by those. The caller holds the locks of all of
-- them.
create or replace function queue.leave_families(p_task_ids uuid[], p_statuses text[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_orchestrators uuid[];
  v_orchestrator_id uuid;
begin
  v_orchestrators := queue.take_out_children(p_task_ids, p_statuses);

  perform queue.cancel_children(p_task_ids, 'deleted');
  delete from queue.orchestrations as o where o.orchestrator_id = any (p_task_ids);

  foreach v_orchestrator_id in array v_orchestrators loop
    perform queue.judge_orchestration(v_orchestrator_id);
    perform queue.cancel_childless(v_orchestrator_id, 'all children were deleted');
  end loop;
end;
$$;

comment on function queue.leave_families(uuid[], text[]) is
  'Takes deleted tasks, which had these statuses, out of their families, and ends what ends with them. Call it under the owners'' locks.';

revoke all on function queue.leave_families(uuid[], text[]) from public, anon, authenticated, service_role;

-- An orchestrator has said that its children are enqueued. From here on it is judged by them, and it may be that they
-- have all ended already, that somebody has deleted them all, or that there are none to come. The caller holds the lock on
-- the task.
create or replace function queue.note_enqueued(p_task_id uuid, p_report text default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_task public.tasks;
  v_had_children boolean;
  v_actor text := current_setting('queue.actor', true);
begin
  select t.* into v_task from public.tasks as t where t.id = p_task_id;
  if v_task.user_id is null
    or (
      v_task.takes_slot and not (queue.has_nothing_to_enqueue(p_report) and v_task.task_type like '%orchestrat%')
      and not exists (select from queue.orchestrations as o where o.orchestrator_id = p_task_id)
    ) then
    return; -- no orchestrator
  end if;

  perform from queue.user_slots as s where s.user_id = v_task.user_id for no key update;
  if queue.has_nothing_to_enqueue(p_report) and v_task.status = 'In Progress' and not exists (
    select from queue.subtasks as s where s.orchestrator_id = v_task.id and s.user_id = v_task.user_id
  ) then
    perform queue.say(queue.actor(), 'it has nothing to enqueue', jsonb_build_object('report', p_report));
    update public.tasks as t
    set status = 'Complete', output_location = null, error_message = null
    where t.id = v_task.id;
    perform queue.say(v_actor);
    return;
  end if;

  -- Families are counted from their first child on.
  v_had_children := exists (
    select from queue.orchestrations as o where o.orchestrator_id = v_task.id and o.enqueued_attempt is null
  );
  insert into queue.orchestrations as o (orchestrator_id, user_id, enqueued_attempt, changed_at)
  values (v_task.id, v_task.user_id, v_task.attempts, queue.now())
  on conflict (orchestrator_id) do update
    set enqueued_attempt = excluded.enqueued_attempt,
      changed_at = excluded.changed_at
    where o.enqueued_attempt is distinct from excluded.enqueued_attempt;
  perform queue.judge_orchestration(p_task_id);
  if v_had_children and p_report ~ '^(Successfully enqueued|\[IDEMPOTENT\])' then
    perform queue.cancel_childless(p_task_id, 'all children were deleted');
  end if;
end;
$$;

comment on function queue.note_enqueued(uuid, text) is
  'Remembers that this orchestrator has enqueued its children in its present start, and ends it if they have all ended or been deleted, or if it says (p_report) that there are none to come. Nothing for other tasks.';

revoke all on function queue.note_enqueued(uuid, text) from public, anon, authenticated, service_role;

-- Deployed orchestrators whose params leave nothing to generate say so and end; they report no result. Older ones put
-- their log's mark in front.
create or replace function queue.has_nothing_to_enqueue(p_report text)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(p_report ~ '^(\[WARNING Task ID: [^]]{1,100}\] )?No new segments to generate', false);
end;
$$;

comment on function queue.has_nothing_to_enqueue(text) is
  'Whether an orchestrator reports with this text that there is nothing to enqueue: it begins "No new segments to generate".';

revoke all on function queue.has_nothing_to_enqueue(text) from public, anon, authenticated, service_role;

-- What a worker reports other than a result (docs/architecture.md, "Endings").
create or replace function queue.update_task_status(
  p_caller jsonb,
  p_task_id uuid,
  p_status text,
  p_output_location text,
  p_error_message text,
  p_error_details text,
  p_thumbnail_url text,
  p_result_data jsonb,
  p_reset_generation_started_at boolean,
  p_lease_token uuid
)
returns json
language plpgsql
volatile
security definer -- writes delivered_at, which no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task public.tasks;
begin
  if p_status = 'Complete' then
    return queue.complete_task(p_caller, p_task_id, p_output_location, p_thumbnail_url, p_result_data, p_lease_token);
  end if;

  v_task := queue.lock_task_for(v_caller, p_task_id, case
    when p_status in ('Failed', 'Cancelled') then p_status
    when p_status = 'In Progress' and queue.has_nothing_to_enqueue(p_output_location) then 'Complete'
  end);
  if p_lease_token is not null then
    perform queue.refuse_stale_lease(v_task, p_lease_token);
  end if;

  if p_status = 'Failed' then
    return queue.fail_task(
      v_caller, v_task, coalesce(nullif(p_error_message, ''), p_output_location), p_error_details,
      p_has_lease => p_lease_token is not null, p_may_retry => false
    );
  end if;

  if not coalesce(
    (v_task.status, p_status) in (
      ('In Progress', 'In Progress'), ('In Progress', 'Queued'), ('In Progress', 'Cancelled'), ('Queued', 'Cancelled')
    ) or (v_task.status = p_status and p_status in ('Cancelled', 'Queued')),
    false
  ) then
    perform queue.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become %s', v_task.id, v_task.status, coalesce(p_status, 'null')),
      case when v_task.status = 'Queued' then 'Claim it first' else 'Nothing was changed' end
    );
  elsif v_task.status = p_status and p_status in ('Cancelled', 'Queued') then
    return queue.report_reply(v_task, false);
  end if;

  perform queue.say(
    queue.caller_name(v_caller),
    case p_status
      when 'Queued' then coalesce(queue.cut_text(nullif(p_error_message, '')), 'handed back')
      when 'Cancelled' then coalesce(queue.cut_text(nullif(p_error_message, '')), 'cancelled')
    end
  );
  -- Who hands its task back itself has not failed at it.
  perform set_config('queue.forgives_starts', case p_status when 'Queued' then 'on' else 'off' end, true);
  update public.tasks as t
  set status = p_status,
    attempts = t.attempts - (p_status = 'Queued')::integer,
    output_location = coalesce(queue.cut_text(nullif(p_output_location, '')), t.output_location),
    thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
    result_data = coalesce(p_result_data, t.result_data),
    error_message = case when p_status = 'In Progress' then t.error_message else coalesce(queue.cut_text(nullif(p_error_message, '')), t.error_message) end,
    generation_started_at = case when p_reset_generation_started_at then queue.now() else t.generation_started_at end,
    delivered_at = coalesce(t.delivered_at, queue.now()),
    reported_at = queue.now()
  where t.id = v_task.id
  returning t.* into v_task;
  perform set_config('queue.forgives_starts', 'off', true);
  perform queue.say(null);

  -- With a text an orchestrator says that it has enqueued its children; they may all have ended by now.
  if p_status = 'In Progress' and coalesce(p_output_location, '') <> '' then
    perform queue.note_enqueued(v_task.id, p_output_location);
    select t.* into v_task from public.tasks as t where t.id = v_task.id;
  end if;
  return queue.report_reply(v_task, true);
end;
$$;

comment on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) is
  'See public.update_task_status.';

revoke all on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) from public, anon, authenticated, service_role;

grant execute on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) to service_role;
