-- A task completes exactly once. Most completions are plain: one statement, in this file. All others go step by step
-- (complete.sql).

-- Completes a task exactly once (docs/architecture.md, "Endings"). Result, record, history, counters and dependents
-- change in one transaction; a repeat changes nothing and returns what is stored.
--
-- The plain case is one statement and a look: a worker with the service key sends the file of a task that it runs and
-- nothing hangs on. Everything else goes to fairlane_core.complete_general, which repeats the rules of the statement,
-- so a change of one needs a change of the other: the row is that of fairlane_core.tasks_before_update, the counters
-- those of fairlane_core.apply_counter_deltas, the record that of fairlane_core.record_generations, the reply
-- fairlane_core.task_reply. complete_task/plain_and_careful_completions_agree.test.sql compares the results.
-- See fairlane.complete_task.
create function fairlane_core.complete_task(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text,
  p_thumbnail_url text,
  p_result_data jsonb,
  p_lease_token uuid,
  p_description text,
  p_may_describe boolean default false
)
returns json
language plpgsql
volatile
security definer -- the queue's own path to Complete
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_owner_id uuid;
  v_reply json;
begin
  -- No output is a reason, a JSON object describes a file, and what is long is cut.
  if p_caller ->> 'kind' = 'service' and p_description is null and octet_length(p_output_location) <= 65536
    and ltrim(left(p_output_location, 100), E' \t\r\n') not like '{%'
    and coalesce(octet_length(p_thumbnail_url) <= 65536, true)
    -- A look first: a statement that finds nothing to do costs half of one that does.
    and (select t.status = 'In Progress' and t.takes_slot and t.token_id is null from fairlane.tasks as t where t.id = p_task_id)
    and not fairlane_core.has_relatives(p_task_id) then
    begin
      perform set_config('fairlane_core.mode', 'counts_itself', true);
      with done as (
        update fairlane.tasks as t
        set status = 'Complete',
          readiness = null,
          output_location = p_output_location,
          file_location = null,
          thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
          result_data = case when p_result_data is null then t.result_data else fairlane_core.bounded_data(p_result_data) end,
          error_message = null,
          generation_processed_at = pg_catalog.now() + c.clock_offset,
          generation_created = t.params ->> 'skip_generation' is distinct from 'true'
            and exists (select from fairlane.task_types as y where y.name = t.task_type and y.creates_generation),
          params = case when jsonb_path_exists(t.params, '$.**.user_jwt') then fairlane_core.without_secrets(t.params) else t.params end,
          updated_at = pg_catalog.now() + c.clock_offset
        from fairlane_core.settings as c
        where t.id = p_task_id
          -- Not as a plain condition: the planner would take the index of running tasks, and read all of them.
          and coalesce(t.status, '') = 'In Progress'
          and (p_lease_token is null or t.lease_token = p_lease_token)
          and t.user_id is not null
          and t.token_id is null
          and t.takes_slot
          -- No record is named that this one belongs to (fairlane_core.generation_links).
          and not t.params ?| array['parent_generation_id', 'based_on']
        returning
          t.id, t.user_id, t.project_id, t.pool, t.task_type, t.params, t.worker_id, t.attempts, t.thumbnail_url, t.generation_created,
          t.updated_at
      ),
      slots as (
        update fairlane_core.user_slots as s
        set running = s.running - 1,
          cloud_reason = coalesce(nullif(s.cloud_reason, 'user_at_limit'), case when s.running - 1 >= s.task_limit then 'user_at_limit' end),
          local_reason = coalesce(nullif(s.local_reason, 'user_at_limit'), case when s.running - 1 >= s.task_limit then 'user_at_limit' end)
        where s.user_id = (select d.user_id from done as d)
        returning
          s.user_id, s.running, s.cloud_reason, s.running + s.orchestrating + s.remembered as turn_load,
          greatest(s.orchestration_limit - s.orchestrating, 0) as room
      ),
      -- The queue that the task was counted in, and another one with work, because the number of running tasks changes
      -- in each. A queue without work begins a new wait for a turn.
      queues as (
        update fairlane_core.user_queues as l
        set active_cloud = l.active_cloud - (l.pool = d.pool)::integer,
          running = s.running,
          turn_load = s.turn_load,
          orchestration_room = s.room,
          is_open = s.cloud_reason is null and (l.ready_cloud > 0 or (s.room > 0 and l.ready_cloud_orchestration > 0)),
          last_served_at = case when l.ready_cloud + l.ready_cloud_orchestration = 0 then d.updated_at else l.last_served_at end
        from done as d
          cross join slots as s
        where l.user_id = (select x.user_id from slots as x)
          and (l.pool = d.pool or l.ready_cloud + l.ready_cloud_orchestration > 0)
        returning l.pool
      ),
      event as (
        insert into fairlane.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor)
        select d.id, d.user_id, d.updated_at, 'In Progress', 'Complete', d.worker_id, d.attempts, 'service'
        from done as d
      ),
      record as (
        insert into fairlane.generations as g (task_id, project_id, user_id, type, location, thumbnail_url, params, created_at)
        select
          d.id, d.project_id, d.user_id, (select y.content_type from fairlane.task_types as y where y.name = d.task_type),
          p_output_location, d.thumbnail_url, d.params, d.updated_at
        from done as d
        where d.generation_created
        on conflict (task_id) do update
          set location = excluded.location,
            thumbnail_url = excluded.thumbnail_url,
            params = excluded.params
        returning g.id
      )
      select
        d.user_id,
        case
          when exists (select from queues as l where l.pool = d.pool) then json_build_object(
            'task_id', d.id,
            'status', 'Complete',
            'output_location', p_output_location,
            'public_url', p_output_location,
            'thumbnail_url', d.thumbnail_url,
            'error_message', null,
            'attempt', d.attempts,
            'generation_created', d.generation_created,
            'generation_id', coalesce((select r.id from record as r), (select g.id from fairlane.generations as g where g.task_id = d.id))
          )
        end
      into v_owner_id, v_reply
      from done as d;
      perform set_config('fairlane_core.mode', '', true);

      -- The owner is locked from here on, so nothing comes any more. What came while the statement waited for that lock
      -- it has not seen: relatives need locks that are taken before the owner's, a queue that is no longer empty needs
      -- the new number of running tasks.
      if v_owner_id is not null then
        if v_reply is null or fairlane_core.has_relatives(p_task_id) then
          raise sqlstate 'QU001' using message = 'This task was not plain; nothing was changed';
        elsif exists (
          select
          from fairlane_core.user_queues as l
          where l.user_id = v_owner_id
            and l.ready_cloud + l.ready_cloud_orchestration > 0
            and l.running <> (select s.running from fairlane_core.user_slots as s where s.user_id = v_owner_id)
        ) then
          perform fairlane_core.refresh_queues(array[v_owner_id]);
        end if;
      end if;
    exception
      when sqlstate 'QU001' then
        v_reply := null;
      when lock_not_available then
        -- Whoever holds a row of this owner is waited for below, longer; whoever holds a table has had his time.
        perform set_config('lock_timeout', '1ms', true);
    end;
    if v_reply is not null then
      return v_reply;
    end if;
  end if;

  return fairlane_core.complete_general(
    p_caller, p_task_id, p_output_location, p_thumbnail_url, p_result_data, p_lease_token, p_description, p_may_describe
  );
end;
$$;

-- Whether anything changes with the end of this task: what waits for it, the family that it is part of or has.
create function fairlane_core.has_relatives(p_task_id uuid)
returns boolean
language plpgsql
volatile -- sees what was committed while the caller waited
security invoker
set search_path = ''
set enable_sort = off -- else the primary key of the dependencies, read whole and sorted, may look as cheap
as $$
begin
  -- Each by the index that begins with the column. To the planner the others, which hold it too, may look alike: for
  -- the dependencies an order and a range leave one (not in "exists", which drops the order), for subtasks the column
  -- that no other index has.
  return coalesce(
      (select true from fairlane_core.task_dependencies as d where d.depends_on between p_task_id and p_task_id order by d.depends_on limit 1), false
    )
    or exists (select from fairlane_core.subtasks as s where s.task_id = p_task_id and s.seq > 0)
    or exists (select from fairlane_core.orchestrations as o where o.orchestrator_id = p_task_id);
end;
$$;
