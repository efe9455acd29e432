-- What: every function that changed with the bounds, the waits and the turns, as supabase/schemas/ has it.
-- Why: nothing that one user, one row or one client does may stop the others.
-- Back out: apply the same functions of the files before this one again.

set lock_timeout = '900ms';

drop function if exists public.get_completed_segments(jsonb, text, uuid);
drop function if exists public.get_orchestrator_children(jsonb, uuid);
drop function if exists queue.children_of(public.tasks, integer);
drop function if exists queue.get_completed_segments(jsonb, text, uuid);
drop function if exists queue.get_orchestrator_children(jsonb, uuid);
drop function if exists queue.times_started(public.tasks);

-- Keeps the state machine whatever the way in. Deployed clients PATCH many rows at once while tasks finish in
-- between, so an illegal row is left as it is (and not returned) and the rest of the statement goes through.
create or replace function queue.tasks_before_update()
returns trigger
language plpgsql
security definer -- reads type, settings and dependencies on behalf of any caller who may update
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_is_new_start boolean := new.lease_token is distinct from old.lease_token and new.lease_token is not null;
  -- No API role can write these two columns: the queue itself asks for them to be derived again.
  v_is_derived_again boolean := new.pool is null or (new.standing is null and old.standing is not null);
  v_is_direct boolean := coalesce(current_setting('queue.actor', true), '') = '';
  -- What this statement says, not what an earlier one left in the columns.
  v_said text := coalesce(
    case when new.error_message is distinct from old.error_message then nullif(new.error_message, '') end,
    case
      when new.status = 'Failed' and new.output_location is distinct from old.output_location
        then nullif(new.output_location, '')
    end,
    case when new.error_details is distinct from old.error_details then nullif(new.error_details, '') end,
    nullif(current_setting('queue.reason', true), ''),
    -- Orchestrators give each reset of a task the same reason; a trigger cannot see that it was said again.
    case when v_is_direct and old.status = 'In Progress' and new.status = 'Queued' then nullif(new.error_message, '') end
  );
  v_is_given_back boolean;
  v_is_forgiven boolean;
begin
  if not queue.is_legal_transition(old, new) then
    return null;
  end if;

  perform queue.refuse_impossible_values(new);

  -- Only a claim or a requeue moves the count of starts; what a client read and wrote back does not. Only the queue
  -- itself takes a start off again: one that never reached its worker, or that its holder hands back.
  v_is_given_back := old.status = 'In Progress' and new.status = 'Queued' and new.attempts < old.attempts
    and current_setting('queue.forgives_starts', true) = 'on';
  -- Not for ever: from the second time on the task waits, longer each time, and in the end its starts count. What is
  -- counted is the task's, whatever comes between: a start that counts is no reason to give as many again.
  v_is_forgiven := v_is_given_back and old.free_returns < (select s.max_free_returns from queue.settings as s);
  if v_is_given_back then
    new.free_returns := old.free_returns + 1;
    if old.free_returns > 0 then
      new.available_at := greatest(new.available_at, queue.now() + queue.retry_wait(old.free_returns));
    end if;
  elsif new.requeue_count > old.requeue_count then
    new.free_returns := 0;
  end if;
  if not v_is_new_start and new.requeue_count = old.requeue_count and not v_is_forgiven then
    new.attempts := old.attempts;
  end if;

  if old.status = 'In Progress' and new.status = 'Queued' and not v_is_forgiven then
    -- Rows that were started before starts were counted.
    new.attempts := greatest(new.attempts, 1);
    if new.attempts >= queue.starts_allowed(new) then
      new.status := 'Failed';
      v_said := pg_catalog.format(
        'Given up after %s starts; the last one ended with: %s', new.attempts, coalesce(v_said, 'no reason given')
      );
      new.worker_id := old.worker_id;
    end if;
  end if;

  if new.status in ('Complete', 'Failed', 'Cancelled') and old.status = new.status then
    -- A finished task keeps its result and its story.
    new.output_location := old.output_location;
    new.thumbnail_url := old.thumbnail_url;
    new.error_message := coalesce(
      old.error_message, new.error_message,
      -- An old failure may lack its reason; a new version of the row may not.
      case when old.status = 'Failed' then 'Failed without a reason' end
    );
    new.generation_started_at := old.generation_started_at;
    new.generation_processed_at := old.generation_processed_at;
    new.worker_id := old.worker_id;
  elsif new.status = 'Failed' then
    new.error_message := queue.cut_text(coalesce(v_said, 'Failed without a reason'));
    if v_is_direct and new.error_message <> v_said then
      -- The history keeps it whole. A direct change says the same of all its rows.
      perform set_config('queue.details', jsonb_build_object('error_message', v_said)::text, true);
    end if;
    new.output_location := case
      when new.output_location is distinct from old.output_location
        then coalesce(queue.cut_text(nullif(new.output_location, '')), new.error_message)
      else new.error_message
    end;
  elsif new.status = 'Complete' then
    new.generation_processed_at := queue.now();
    if v_is_direct and new.output_location is not distinct from old.output_location then
      new.output_location := null; -- a progress text is no result
    end if;
    new.generation_created := queue.creates_generation(new.task_type, new.params);
  elsif new.status = 'Queued' then
    new.lease_token := null;
    new.claim_id := null;
    new.token_id := null;
    new.worker_id := null;
    new.delivered_at := null;
    new.reported_at := null;
    -- Proof of a start, also on rows that were started before the column existed.
    if old.status = 'In Progress' then
      new.claimed_at := coalesce(old.claimed_at, old.generation_started_at, old.updated_at, old.created_at);
    end if;
    new.generation_started_at := null;
    new.generation_processed_at := null;
  end if;

  if new.task_type is distinct from old.task_type or new.pool is null then
    select y.run_type, y.category <> 'orchestration'
    into new.pool, new.takes_slot
    from public.task_types as y
    where y.name = new.task_type;
    new.pool := coalesce(new.pool, 'gpu');
    new.takes_slot := coalesce(new.takes_slot, true);
  end if;
  if new.params is distinct from old.params then
    new.params := queue.params_object(new.params);
  end if;
  if v_is_derived_again or new.params is distinct from old.params then
    new.model := queue.task_model(new.params);
  end if;

  if new.status = 'In Progress' then
    new.standing := 'active';
  else
    new.standing := queue.task_standing(new);
  end if;

  if not v_is_derived_again then
    new.updated_at := queue.now();
  end if;
  return new;
end;
$$;

comment on function queue.tasks_before_update() is
  'Trigger: refuses illegal changes row by row, and keeps the columns that follow from the state.';

revoke all on function queue.tasks_before_update() from public, anon, authenticated, service_role;

-- Whether a caller is the one who runs the task. A lease is no proof here: owners can read it. The service key speaks for
-- any worker of the fleet, because deployed workers do not say which one they are; a user who has signed in runs nothing.
create or replace function queue.is_holder(p_caller queue.caller, p_task public.tasks)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case p_caller.kind
    when 'service' then p_task.token_id is null
    when 'token' then p_task.token_id is not distinct from p_caller.token_id
    else false
  end;
end;
$$;

comment on function queue.is_holder(queue.caller, public.tasks) is
  'Whether this caller holds the running task: a token what was claimed with it, the service key what no token holds, a signed-in user nothing.';

revoke all on function queue.is_holder(queue.caller, public.tasks) from public, anon, authenticated, service_role;

-- Puts dead letters back into the queue: the one way out of a final state. The starts so far stay counted, and the task
-- gets as many more as its type allows.
create or replace function queue.requeue_tasks(
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
as $$
declare
  v_max constant integer := 1000;
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service']);
  v_limit integer := coalesce(p_limit, case when p_task_ids is null then 100 else v_max end);
  v_matching uuid[];
  v_ids uuid[];
  v_has_more boolean := false;
begin
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
      || array(select d.task_id from queue.task_dependencies as d where d.depends_on = any (v_ids))
      || array(
        select s.task_id
        from queue.subtasks as s
          join public.tasks as t on t.id = s.task_id
        where s.orchestrator_id = any (v_ids)
          and t.standing = 'stale'
      )
    );
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

-- Complete tasks that have nothing to show, and records that name another result than their task: from before the queue
-- recorded results itself, or from a hand in the tables. Nothing here can come about through the queue.
create or replace function queue.repair_generations(p_limit integer, p_dry_run boolean)
returns json
language plpgsql
volatile
security definer -- writes generation_created, which no API role may
set search_path = ''
as $$
declare
  v_missing uuid[];
  v_torn uuid[];
begin
  if p_limit is null or p_limit not between 1 and 10000 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'The limit must be 1 to 10000');
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
      and g.location is distinct from t.output_location
    order by t.id
    limit p_limit
    for no key update of t skip locked
  ) as w;

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
    -- Perhaps: one more call finds out.
    'has_more', coalesce(greatest(cardinality(v_missing), cardinality(v_torn)) >= p_limit, false),
    'dry_run', coalesce(p_dry_run, false)
  );
end;
$$;

comment on function queue.repair_generations(integer, boolean) is 'See public.repair_generations.';

revoke all on function queue.repair_generations(integer, boolean) from public, anon, authenticated, service_role;

grant execute on function queue.repair_generations(integer, boolean) to service_role;

-- Ends a task as Failed, or has it tried again where that is allowed. The reason is kept whichever field it came in; the
-- whole text is in the history.
create or replace function queue.fail_task(
  p_caller queue.caller,
  p_task public.tasks,
  p_reason text,
  p_details text,
  p_has_lease boolean,
  p_may_retry boolean
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_reason text := coalesce(nullif(p_reason, ''), nullif(p_details, ''), 'Failed without a reason');
  -- What is cut on the task is whole in the history.
  v_full jsonb := nullif(jsonb_strip_nulls(jsonb_build_object(
    'error_message', case when v_reason <> queue.cut_text(v_reason) then v_reason end,
    'error_details', case when p_details <> queue.cut_text(p_details) then p_details end
  )), '{}');
  -- A task that waits in the queue again is tried again already; and putting one back is its holder's.
  v_applies boolean := case
    when p_task.status = 'In Progress' then not p_may_retry or p_caller.kind = 'service' or queue.is_holder(p_caller, p_task)
    else p_task.status = 'Queued' and not p_may_retry
  end;
  v_wait interval;
  v_task public.tasks;
begin
  if v_applies and (p_has_lease or not queue.has_live_former_holder(p_task)) then
    if p_may_retry and p_task.attempts < queue.starts_allowed(p_task) and queue.is_retryable(p_task.task_type) then
      v_wait := queue.retry_wait(p_task.attempts);
      perform queue.say(
        queue.caller_name(p_caller),
        pg_catalog.format('failed, to be tried again in %s s: %s', ceil(extract(epoch from v_wait)), queue.cut_text(v_reason)),
        v_full
      );
      update public.tasks as t
      set status = 'Queued',
        available_at = queue.now() + v_wait,
        error_message = queue.cut_text(v_reason),
        error_details = coalesce(queue.cut_text(p_details), t.error_details)
      where t.id = p_task.id
      returning t.* into v_task;
    else
      perform queue.say(queue.caller_name(p_caller), queue.cut_text(v_reason), v_full);
      update public.tasks as t
      set status = 'Failed',
        error_message = v_reason,
        error_details = coalesce(queue.cut_text(p_details), t.error_details),
        output_location = v_reason
      where t.id = p_task.id
      returning t.* into v_task;
    end if;
    perform queue.say(null);
    return queue.report_reply(v_task, true);
  end if;

  if p_has_lease and p_task.status in ('Queued', 'Cancelled') then
    perform queue.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become Failed', p_task.id, p_task.status),
      'Drop this task; its end is final'
    );
  end if;

  perform queue.record_report(
    p_task, p_caller,
    'failure reported, not applied: ' || queue.cut_text(v_reason), v_full
  );
  return queue.report_reply(p_task, false);
end;
$$;

comment on function queue.fail_task(queue.caller, public.tasks, text, text, boolean, boolean) is
  'Ends a locked task as Failed with this reason; puts it back with a wait when p_may_retry, attempts are left and its type is retried; or only records the report when the task has ended, a former holder may be speaking, or somebody who does not hold it wants it tried again.';

revoke all on function queue.fail_task(queue.caller, public.tasks, text, text, boolean, boolean) from public, anon, authenticated, service_role;

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

  v_task := queue.lock_task_for(v_caller, p_task_id, case when p_status in ('Failed', 'Cancelled') then p_status end);
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
  elsif p_status in ('In Progress', 'Queued') and v_caller.kind <> 'service' and not queue.is_holder(v_caller, v_task) then
    -- What is billed, and how often it is tried, is not for the owner to say.
    perform queue.refuse(
      409, 'NOT_THE_HOLDER',
      pg_catalog.format('Task %s is run by another worker, which alone reports its progress and hands it back', v_task.id),
      'Cancel it, or complete it, if it is yours'
    );
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
    perform queue.note_enqueued(v_task.id);
    select t.* into v_task from public.tasks as t where t.id = v_task.id;
  end if;
  return queue.report_reply(v_task, true);
end;
$$;

comment on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) is
  'See public.update_task_status.';

revoke all on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) from public, anon, authenticated, service_role;

grant execute on function queue.update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid) to service_role;

-- The tasks that name another one as their orchestrator. A family that the queue keeps count of is listed; one that had
-- ended before the queue did so, and one that has no child yet, is looked for among its owner's tasks since then. A day
-- more, because clocks are set back.
create or replace function queue.children_of(
  p_orchestrator public.tasks, p_limit integer, p_after_time timestamptz default null, p_after_id uuid default null
)
returns setof public.tasks
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if exists (select from queue.orchestrations as o where o.orchestrator_id = p_orchestrator.id) then
    return query
    select t.*
    from queue.subtasks as s
      join public.tasks as t on t.id = s.task_id
    where s.orchestrator_id = p_orchestrator.id
      and t.user_id = p_orchestrator.user_id
      and (p_after_id is null or (t.created_at, t.id) > (p_after_time, p_after_id))
    order by t.created_at, t.id
    limit p_limit;
    return;
  end if;

  return query
  select t.*
  from public.tasks as t
  where t.user_id = p_orchestrator.user_id
    and t.created_at >= p_orchestrator.created_at - interval '1 day'
    and queue.parent_task_id(t.params) = p_orchestrator.id
    and t.id <> p_orchestrator.id
    and (p_after_id is null or (t.created_at, t.id) > (p_after_time, p_after_id))
  order by t.created_at, t.id
  limit p_limit;
end;
$$;

comment on function queue.children_of(public.tasks, integer, timestamptz, uuid) is
  'Up to so many tasks of the same owner whose params name this one as their orchestrator, oldest first; only those after this time and id, if they are given.';

revoke all on function queue.children_of(public.tasks, integer, timestamptz, uuid) from public, anon, authenticated, service_role;

-- Starts and time of a task are machines' time: an owner may ask for less than the type allows, never for more.
create or replace function queue.refuse_raised_limits(p_caller queue.caller, p_request queue.task_request)
returns void
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_max_attempts integer;
  v_timeout interval;
begin
  if p_caller.kind = 'service' then
    return;
  end if;

  v_max_attempts := queue.max_attempts(p_request.task_type);
  if p_request.max_attempts > v_max_attempts then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format(
        'The max_attempts of a task of type %s must be at most %s, not %s',
        p_request.task_type, v_max_attempts, p_request.max_attempts
      ),
      'Leave it out for the type''s'
    );
  end if;

  select y.timeout into v_timeout from public.task_types as y where y.name = p_request.task_type;
  if make_interval(secs => p_request.timeout_seconds) > v_timeout then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT',
      pg_catalog.format(
        'The timeout_seconds of a task of type %s must be at most %s, not %s',
        p_request.task_type, extract(epoch from v_timeout)::bigint, p_request.timeout_seconds
      ),
      'Leave it out for the type''s'
    );
  end if;
end;
$$;

comment on function queue.refuse_raised_limits(queue.caller, queue.task_request) is
  'Raises 400 INVALID_ARGUMENT when a user or token asks for more starts or a longer timeout than the task''s type allows.';

revoke all on function queue.refuse_raised_limits(queue.caller, queue.task_request) from public, anon, authenticated, service_role;

-- Enqueues tasks, all of them or none (docs/architecture.md, "Enqueuing"). What was enqueued before, under the same id
-- or key, is answered as it is now: the reply to the first request may have been lost.
create or replace function queue.create_tasks(p_caller jsonb, p_tasks jsonb)
returns json
language plpgsql
volatile
security definer -- the queue's own way of enqueuing
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_requests queue.task_request[];
  v_new queue.task_request[] := array[]::queue.task_request[];
  v_request queue.task_request;
  v_task public.tasks;
  v_replies json[] := array[]::json[];
  v_created uuid[] := array[]::uuid[];
  -- Ids of this batch, and the tasks that have been there under the same key.
  v_sent uuid[] := array[]::uuid[];
  v_known uuid[] := array[]::uuid[];
begin
  if jsonb_typeof(p_tasks) is distinct from 'array' or jsonb_array_length(p_tasks) not between 1 and 1000 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A batch must hold 1 to 1000 tasks', 'Send several batches');
  end if;

  select array_agg(queue.read_task_request(v_caller, b.body) order by b.place)
  into v_requests
  from jsonb_array_elements(p_tasks) with ordinality as b (body, place);

  perform queue.lock_enqueuing(v_requests);

  foreach v_request in array v_requests loop
    v_task := queue.task_for_request(v_caller, v_request);
    if v_task.id is null then
      perform queue.refuse_homeless_task(v_request);
      perform queue.refuse_raised_limits(v_caller, v_request);
      v_new := v_new || v_request;
    elsif v_task.id <> v_request.task_id then
      v_sent := v_sent || v_request.task_id;
      v_known := v_known || v_task.id;
    end if;
  end loop;

  if cardinality(v_new) > 0 then
    if cardinality(v_sent) > 0 then
      for v_place in 1..cardinality(v_new) loop
        v_new[v_place].depends_on := array(
          select coalesce(v_known[array_position(v_sent, d.id)], d.id)
          from unnest(v_new[v_place].depends_on) with ordinality as d (id, place)
          order by d.place
        );
      end loop;
    end if;

    perform queue.say(queue.caller_name(v_caller));
    v_created := queue.insert_requested_tasks(v_new);
    perform queue.say(null);
  end if;

  foreach v_request in array v_requests loop
    v_task := queue.task_for_request(v_caller, v_request);
    if v_task.id is null then
      perform queue.refuse(
        503, 'UNAVAILABLE', pg_catalog.format('Task %s came and went at this moment', v_request.task_id), 'Repeat the same request'
      );
    end if;
    v_replies := v_replies || queue.created_reply(v_task, v_task.id = any (v_created));
  end loop;
  return array_to_json(v_replies);
end;
$$;

comment on function queue.create_tasks(jsonb, jsonb) is 'See public.create_tasks.';

revoke all on function queue.create_tasks(jsonb, jsonb) from public, anon, authenticated, service_role;

grant execute on function queue.create_tasks(jsonb, jsonb) to service_role;

-- Dead letters back into the queue, as operators call it (docs/operations.md).
create or replace function public.requeue_tasks(
  p_task_ids uuid[] default null,
  p_filter jsonb default null,
  p_limit integer default null,
  p_reason text default null,
  p_dry_run boolean default false,
  p_caller jsonb default '{"kind":"service"}'
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.requeue_tasks(p_caller, p_task_ids, p_filter, p_limit, p_reason, p_dry_run);
end;
$$;

comment on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) is
  'Puts Failed or Cancelled tasks back into the queue, named by ids or by a filter {status, task_type, user_id, project_id, worker_id, error_contains, ended_since, ended_before}; all of the ids (at most 1000 at once, or p_limit: more are refused before anything changes), or of a filter at most p_limit (1 to 1000, default 100) per call, the longest dead first: has_more says that others match, too. Each keeps its attempts and gets as many more as its type allows; the reason is in its history. Out: {requeued, matched, task_ids, passed_over, has_more, dry_run}; passed_over are those that are not Failed or Cancelled, not there, or that somebody is just changing. Errors: 400 INVALID_ARGUMENT, 403. service_role only.';

revoke all on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) from public, anon, authenticated, service_role;

grant execute on function public.requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb) to service_role;

-- Results that were never recorded, as operators mend them (docs/operations.md).
create or replace function public.repair_generations(p_limit integer default 1000, p_dry_run boolean default false)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  return queue.repair_generations(p_limit, p_dry_run);
end;
$$;

comment on function public.repair_generations(integer, boolean) is
  'Finds Complete tasks of a type that records generations which have none, and generations whose location is not their task''s output, up to p_limit of each (1 to 10000; has_more says that another call may find more), and mends them. Safe to repeat. Out: {missing, torn, task_ids, has_more, dry_run}. Errors: 400 INVALID_ARGUMENT. service_role only.';

revoke all on function public.repair_generations(integer, boolean) from public, anon, authenticated, service_role;

grant execute on function public.repair_generations(integer, boolean) to service_role;

-- The finished segments of a run, for the worker that puts them together.
create or replace function queue.get_completed_segments(p_caller jsonb, p_run_id text, p_project_id uuid, p_after_index integer)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 10000;
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
begin
  return (
    select coalesce(
      json_agg(
        json_build_object('segment_index', s.segment_index, 'output_location', s.output_location)
        order by s.segment_index
      ),
      '[]'
    )
    from (
      -- A segment that was made again: the newest counts.
      select distinct on (n.segment_index) n.segment_index, t.output_location
      from public.tasks as t
        cross join lateral (
          select substring(t.params ->> 'segment_index' from '^[0-9]{1,9}$')::integer
        ) as n (segment_index)
      where t.status = 'Complete'
        and t.task_type = 'travel_segment'
        and left(t.params ->> 'orchestrator_run_id', 128) = left(p_run_id, 128) -- as the index has it
        and t.params ->> 'orchestrator_run_id' = p_run_id
        and (v_caller.kind = 'service' or t.user_id = v_caller.user_id)
        and (p_project_id is null or t.project_id = p_project_id)
        and n.segment_index > coalesce(p_after_index, -1)
        and t.output_location <> ''
      order by n.segment_index, t.generation_processed_at desc nulls last, t.created_at desc, t.id
      limit v_most
    ) as s
  );
end;
$$;

comment on function queue.get_completed_segments(jsonb, text, uuid, integer) is 'See public.get_completed_segments.';

revoke all on function queue.get_completed_segments(jsonb, text, uuid, integer) from public, anon, authenticated, service_role;

grant execute on function queue.get_completed_segments(jsonb, text, uuid, integer) to service_role;

-- The tasks that an orchestrator has enqueued, so that it does not enqueue them twice.
create or replace function queue.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid, p_after text)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 1000;
  v_most_bytes constant integer := 32 * 1024 * 1024;
  v_orchestrator public.tasks := queue.readable_task(
    queue.resolve_caller(p_caller, array['service', 'token', 'user']), p_orchestrator_task_id
  );
  v_after_time timestamptz;
  v_after_id uuid;
  v_tasks json;
  v_found integer;
  v_told integer;
  v_last text;
begin
  if p_after is not null then
    begin
      v_after_time := split_part(p_after, ',', 1)::timestamp at time zone 'UTC';
      v_after_id := split_part(p_after, ',', 2)::uuid;
    exception when data_exception then
      perform queue.refuse(
        400, 'INVALID_ARGUMENT', 'after is not the next of an earlier reply',
        'Send next as it came, or leave after out to begin at the front'
      );
    end;
  end if;

  with child as (
    select c.*
    from queue.children_of(v_orchestrator, v_most + 1, v_after_time, v_after_id) as c
  ),
  -- Params may be large, and the reply is made in the memory of the database.
  measured as (
    select
      c.*,
      row_number() over in_order as place,
      sum(octet_length(c.params::text) + coalesce(octet_length(c.output_location), 0)) over in_order as bytes
    from child as c
    window in_order as (order by c.created_at, c.id)
  ),
  -- The first one always: whoever asks for the rest must come on.
  told as (
    select m.*, m.place <= v_most and (m.bytes <= v_most_bytes or m.place = 1) as is_told
    from measured as m
  )
  select
    coalesce(
      json_agg(
        json_build_object(
          'id', m.id, 'task_type', m.task_type, 'status', m.status, 'params', m.params,
          'output_location', m.output_location
        )
        order by m.place
      ) filter (where m.is_told),
      '[]'
    ),
    count(*),
    count(*) filter (where m.is_told),
    (array_agg(pg_catalog.format('%s,%s', m.created_at at time zone 'UTC', m.id) order by m.place desc) filter (where m.is_told))[1]
  into v_tasks, v_found, v_told, v_last
  from told as m;

  return json_build_object('tasks', v_tasks, 'is_cut', v_told < v_found, 'next', case when v_told < v_found then v_last end);
end;
$$;

comment on function queue.get_orchestrator_children(jsonb, uuid, text) is 'See public.get_orchestrator_children.';

revoke all on function queue.get_orchestrator_children(jsonb, uuid, text) from public, anon, authenticated, service_role;

grant execute on function queue.get_orchestrator_children(jsonb, uuid, text) to service_role;

-- The finished segments of a run, as functions ask it.
create or replace function public.get_completed_segments(
  p_caller jsonb, p_run_id text, p_project_id uuid default null, p_after_index integer default null
)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.get_completed_segments(p_caller, p_run_id, p_project_id, p_after_index);
end;
$$;

comment on function public.get_completed_segments(jsonb, text, uuid, integer) is
  '[{segment_index, output_location}] of the Complete travel_segments whose params.orchestrator_run_id is p_run_id as text, in order, one per index, the newest; at most 10000, those above p_after_index. Tokens and users: their own. Errors: 403. service_role only.';

revoke all on function public.get_completed_segments(jsonb, text, uuid, integer) from public, anon, authenticated, service_role;

grant execute on function public.get_completed_segments(jsonb, text, uuid, integer) to service_role;

-- The tasks that an orchestrator has enqueued, as functions ask it.
create or replace function public.get_orchestrator_children(p_caller jsonb, p_orchestrator_task_id uuid, p_after text default null)
returns json
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return queue.get_orchestrator_children(p_caller, p_orchestrator_task_id, p_after);
end;
$$;

comment on function public.get_orchestrator_children(jsonb, uuid, text) is
  '{tasks: [{id, task_type, status, params, output_location}], is_cut, next}: the tasks of the same owner whose params.orchestrator_task_id_ref is this task, oldest first; at most 1000 and 32 MiB, is_cut says that there are more, and next is the p_after that gets them. Errors: 400 INVALID_ARGUMENT, 404 TASK_NOT_FOUND, 403. service_role only.';

revoke all on function public.get_orchestrator_children(jsonb, uuid, text) from public, anon, authenticated, service_role;

grant execute on function public.get_orchestrator_children(jsonb, uuid, text) to service_role;
