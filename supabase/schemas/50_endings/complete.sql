-- The completions that are not plain, step by step; reports without effect leave a trace. Also: which file a worker's
-- message describes.

-- Every completion that is not plain (fairlane_core.complete_task): by a token or a user, late, repeated, described,
-- without an output, of a task that others wait for, that is part of something or has parts. Step by step, each checked
-- under its lock.
create function fairlane_core.complete_general(
  p_caller jsonb,
  p_task_id uuid,
  p_output_location text,
  p_thumbnail_url text,
  p_result_data jsonb,
  p_lease_token uuid,
  p_description text,
  p_may_describe boolean
)
returns json
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task fairlane.tasks := fairlane_core.lock_task_for(v_caller, p_task_id, 'Complete');
  v_is_late boolean := v_task.status = 'Queued';
  -- A JSON object next to the file, or after it: how deployed workers describe a transition (docs/fleet.md).
  v_has_description boolean := fairlane_core.json_object_of(p_description) is not null;
  v_late_text text := case when v_has_description then p_description when p_may_describe then p_output_location end;
  v_late_file text;
begin
  if p_lease_token is not null then
    perform fairlane_core.refuse_stale_lease(v_task, p_lease_token);
  end if;

  if v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null) then
    perform fairlane_core.set_event_context(
      fairlane_core.caller_name(v_caller),
      case
        when v_task.status = 'Queued' then 'completed late, after the task was requeued'
        when p_output_location is null then 'completed without an output'
      end
    );
    if fairlane_core.is_holder(v_caller, v_task) then
      perform set_config('fairlane_core.mode', 'let_go:' || v_task.id, true);
    end if;
    update fairlane.tasks as t
    set status = 'Complete',
      output_location = case when v_has_description then p_description else p_output_location end,
      file_location = case when v_has_description then p_output_location end,
      thumbnail_url = coalesce(p_thumbnail_url, t.thumbnail_url),
      result_data = coalesce(p_result_data, t.result_data),
      error_message = null
    where t.id = v_task.id
    returning t.* into v_task;
    perform set_config('fairlane_core.mode', '', true);
    perform fairlane_core.set_event_context(null);
    if v_is_late then
      perform fairlane_core.let_go_by_report(v_caller, v_task.id);
    end if;
    return fairlane_core.task_reply(v_task);
  end if;

  if v_task.status = 'Queued' or (p_lease_token is not null and v_task.status <> 'Complete') then
    perform fairlane_core.refuse(
      409, 'ILLEGAL_TRANSITION',
      pg_catalog.format('Task %s is %s and cannot become Complete', v_task.id, v_task.status),
      case when v_task.status = 'Queued' then 'Claim it first' else 'Drop this task; its end is final' end
    );
  end if;

  -- The file is stored but not described yet; the text must be about that very file.
  if v_task.status = 'Complete' and v_task.file_location is null and fairlane_core.is_holder(v_caller, v_task)
    and fairlane_core.json_object_of(v_late_text) is not null
    and fairlane_core.own_file(v_task.output_location, v_task.user_id, v_task.id) is not null then
    v_late_file := case
      when v_has_description then p_output_location
      else coalesce(
        fairlane_core.described_file(fairlane_core.json_object_of(v_late_text), v_task.user_id, v_task.id), v_task.output_location
      )
    end;
    if fairlane_core.own_file(v_late_file, v_task.user_id, v_task.id) = fairlane_core.own_file(v_task.output_location, v_task.user_id, v_task.id) then
      perform fairlane_core.record_report(v_task, v_caller, 'the result was described');
      update fairlane.tasks as t
      set output_location = v_late_text, file_location = v_task.output_location
      where t.id = v_task.id
      returning t.* into v_task;
      return fairlane_core.task_reply(v_task);
    end if;
  end if;

  perform fairlane_core.let_go_by_report(v_caller, v_task.id);
  -- Deployed workers cannot be told apart and repeat reports by design: they get 200, and the history records it.
  perform fairlane_core.record_report(
    v_task, v_caller,
    case v_task.status when 'Complete' then 'completed again, the first result stays' else 'completed after its end, not resurrected' end,
    json_strip_nulls(json_build_object('output_location', fairlane_core.cut_ends(p_output_location)))::jsonb
  );
  return fairlane_core.task_reply(v_task);
end;
$$;

-- A report that changed nothing still leaves a trace: an event in the task's history. A client that repeats itself for
-- ever must not fill it: after 20 in one status they are only counted. The last reported failure of an attempt is
-- always kept (fairlane_core.told_reason). The caller has locked the task.
create function fairlane_core.record_report(p_task fairlane.tasks, p_caller fairlane_core.caller, p_reason text, p_details jsonb default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_most constant integer := 20;
  v_counted constant text := 'further reports that changed nothing, only counted';
  v_count integer;
begin
  select count(*)
  into v_count
  from (
    select
    from fairlane.task_events as e
    where e.task_id = p_task.id
      and e.from_status = e.to_status
      and e.to_status = p_task.status
    limit v_most + 1
  ) as k;

  if v_count >= v_most and p_details ? 'held_back' then
    update fairlane.task_events as e
    set at = fairlane_core.now(), reason = p_reason, details = p_details
    where e.id = (
      select max(h.id)
      from fairlane.task_events as h
      where h.task_id = p_task.id
        and h.from_status = h.to_status
        and h.worker_id = p_task.worker_id
        and h.attempt = p_task.attempts
        and h.details ? 'held_back'
        and h.id > (
          select max(s.id)
          from fairlane.task_events as s
          where s.task_id = p_task.id
            and s.to_status = 'In Progress'
            and s.from_status is distinct from 'In Progress'
        )
    );
    if not found then
      v_count := 0;
    end if;
  end if;

  if v_count > v_most then
    update fairlane.task_events as e
    set details = jsonb_build_object('count', (e.details ->> 'count')::integer + 1, 'last_at', fairlane_core.now())
    where e.task_id = p_task.id
      and e.from_status = e.to_status
      and e.to_status = p_task.status
      and e.reason = v_counted;
    return;
  end if;

  insert into fairlane.task_events (task_id, user_id, at, from_status, to_status, worker_id, attempt, actor, reason, details)
  values (
    p_task.id, p_task.user_id, fairlane_core.now(), p_task.status, p_task.status, p_task.worker_id, p_task.attempts,
    fairlane_core.caller_name(p_caller),
    case v_count when v_most then v_counted else p_reason end,
    case v_count when v_most then jsonb_build_object('count', 1, 'last_at', fairlane_core.now()) else p_details end
  );
end;
$$;

-- The URL of the task's own file in a JSON result, under the keys and in the order in which deployed workers look for
-- it; null when there is none.
create function fairlane_core.described_file(p_description json, p_user_id uuid, p_task_id uuid)
returns text
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
begin
  return (
    select p_description ->> k.key
    from unnest(array['transition_url', 'url', 'output_url', 'video_url']) with ordinality as k (key, place)
    where fairlane_core.own_file(p_description ->> k.key, p_user_id, p_task_id) is not null
    order by k.place
    limit 1
  );
exception when others then
  return null; -- JSON may hold characters that Postgres cannot store as text
end;
$$;

-- The path in the bucket of a public URL, if the file is in the task's own folder; null otherwise.
create function fairlane_core.own_file(p_url text, p_user_id uuid, p_task_id uuid)
returns text
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
declare
  -- Always the same pattern: with the ids in it, it would be compiled again for each task, which costs more than a
  -- completion.
  v_path text := substring(p_url from '^https?://[^/?#]+/+storage/v1/object/public/image_uploads/([^?#]+)');
  v_folder text := p_user_id || '/tasks/' || p_task_id || '/';
begin
  return case when starts_with(v_path, v_folder) and v_path <> v_folder then v_path end;
end;
$$;

-- A text that is a JSON object, as Python writes it (including NaN and Infinity, which become 0 here), and short enough
-- to be kept whole (65,536 characters); else null. Most texts are URLs: the first character rules them out.
create function fairlane_core.json_object_of(p_text text)
returns json
language plpgsql
immutable
strict
security invoker
set search_path = ''
as $$
declare
  v_json json;
begin
  if ltrim(pg_catalog.left(p_text, 100), E' \t\r\n') not like '{%' or length(p_text) > 65536 then
    return null;
  end if;
  begin
    v_json := regexp_replace(p_text, '-?\m(?:NaN|Infinity)\M', '0', 'g')::json;
    return case when json_typeof(v_json) = 'object' then v_json end;
  exception when others then
    return null; -- no JSON, or none that Postgres can read
  end;
end;
$$;
