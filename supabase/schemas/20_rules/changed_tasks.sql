-- How a task may change: enforces the state machine row by row, whoever writes.

-- Enforces the state machine, whoever writes. Deployed clients PATCH many rows at once while tasks finish in between,
-- so an illegal change leaves its row as it is (and does not return it) and the rest of the statement applies.
create function fairlane_core.tasks_before_update()
returns trigger
language plpgsql
security definer -- reads type, settings and dependencies on behalf of any caller who may update
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_is_new_start boolean := new.lease_token is distinct from old.lease_token and new.lease_token is not null;
  -- No API role can write these two columns: null means that the queue wants them derived again.
  v_is_derived_again boolean := new.pool is null or (new.readiness is null and old.readiness is not null);
  v_event constant text := coalesce(current_setting('fairlane_core.event', true), '');
  v_mode constant text := coalesce(current_setting('fairlane_core.mode', true), '');
  v_is_direct constant boolean := v_event = '';
  v_reason constant text := case when v_event <> '' then v_event::json ->> 'reason' end;
  v_sent_attempts constant integer := new.attempts;
  -- What this statement says, not what an earlier one left in the columns.
  v_said text := coalesce(
    case when new.error_message is distinct from old.error_message then nullif(new.error_message, '') end,
    case
      when new.status = 'Failed' and new.output_location is distinct from old.output_location
        then nullif(new.output_location, '')
    end,
    case when new.error_details is distinct from old.error_details then nullif(new.error_details, '') end,
    v_reason,
    -- Orchestrators give each reset of a task the same reason; a trigger cannot see that it was written again.
    case when v_is_direct and old.status = 'In Progress' and new.status = 'Queued' then nullif(new.error_message, '') end
  );
  v_told text;
  v_category text;
  v_is_given_back boolean;
  v_is_forgiven boolean;
  v_noticed jsonb;
begin
  if not fairlane_core.is_legal_transition(old, new)
    or (v_is_direct and old.status = 'In Progress' and new.status = 'Queued' and fairlane_core.is_overtaken_reset(old, new)) then
    return null;
  end if;
  -- A worker that got no reply reports the end of its earlier attempt again, but another worker holds the task now.
  -- When the queue itself takes a task back it writes the words of that earlier attempt, and means the current one.
  if v_is_direct and old.status = 'In Progress' and new.status = 'Queued' and new.attempts < old.attempts
    and strpos(v_mode, 'forgives_starts') = 0
    and fairlane_core.is_told_again(old, new.attempts, new.error_details) then
    return null;
  end if;

  -- An attempt ends without a result after a failure was reported and held back: that failure says more than the
  -- silence after it.
  if old.status = 'In Progress' and new.status = 'Queued' and v_reason is null then
    v_told := fairlane_core.told_reason(old);
    if strpos(coalesce(v_said, ''), v_told) = 0 then
      v_said := concat_ws('; ', v_said, 'it was reported as failed: ' || v_told);
      new.error_message := v_said;
    end if;
  end if;

  perform fairlane_core.refuse_impossible_values(new, old);
  if new.token_id is null and new.worker_id is distinct from old.worker_id then
    perform fairlane_core.refuse_name_of_a_token(new.worker_id);
  end if;

  -- What a worker says is kept up to the bounds. Compare first: most updates say nothing new.
  if new.result_data is distinct from old.result_data then
    new.result_data := fairlane_core.bounded_data(new.result_data);
  end if;
  if new.output_location is distinct from old.output_location and new.status <> 'Failed' then
    new.output_location := fairlane_core.cut_ends(new.output_location);
  end if;
  if new.thumbnail_url is distinct from old.thumbnail_url then
    new.thumbnail_url := fairlane_core.cut_ends(new.thumbnail_url);
  end if;
  if new.error_details is distinct from old.error_details then
    new.error_details := fairlane_core.cut_ends(new.error_details);
  end if;
  if new.error_message is distinct from old.error_message and new.status <> 'Failed' then
    new.error_message := fairlane_core.cut_ends(new.error_message);
  end if;

  -- Only a claim or a requeue changes the number of attempts; a client that writes back what it read does not. Only the
  -- queue itself uncounts an attempt: one that never reached its worker, or that its holder releases.
  v_is_given_back := old.status = 'In Progress' and new.status = 'Queued' and new.attempts < old.attempts
    and strpos(v_mode, 'forgives_starts') > 0;
  -- Not for ever: from the second time on the task waits, longer each time, and finally its attempts count. Releases
  -- are counted per task, whatever happens in between: an attempt that counts does not restore them.
  v_is_forgiven := false;
  if v_is_given_back then
    v_is_forgiven := old.uncounted_releases < (select s.max_uncounted_releases from fairlane_core.settings as s);
    new.uncounted_releases := old.uncounted_releases + 1;
    if old.uncounted_releases > 0 then
      new.available_at := greatest(new.available_at, fairlane_core.now() + fairlane_core.retry_wait(old.uncounted_releases));
    end if;
  elsif new.requeue_count > old.requeue_count then
    new.uncounted_releases := 0;
    new.claim_repeats := 0;
  end if;
  if not v_is_new_start and new.requeue_count = old.requeue_count and not v_is_forgiven then
    new.attempts := old.attempts;
  end if;

  if old.status = 'In Progress' and new.status = 'Queued' and not v_is_forgiven then
    -- Rows that were started before attempts were counted.
    new.attempts := greatest(new.attempts, 1);
    if new.attempts >= fairlane_core.starts_allowed(new) then
      new.status := 'Failed';
      v_said := pg_catalog.format(
        'Given up after %s attempts; the last one ended with: %s', new.attempts, coalesce(v_said, 'no reason given')
      );
      new.worker_id := old.worker_id;
    end if;
  end if;

  if new.status in ('Complete', 'Failed', 'Cancelled') and old.status = new.status then
    -- A finished task keeps its result and its history; only a file may still be described, once
    -- (fairlane_core.complete_task). No API role may write file_location, which proves the caller.
    if not (new.status = 'Complete' and old.file_location is null and coalesce(new.file_location = old.output_location, false)) then
      new.output_location := old.output_location;
      new.file_location := old.file_location;
    end if;
    new.thumbnail_url := old.thumbnail_url;
    new.error_message := coalesce(
      old.error_message, new.error_message,
      -- An old failure may lack its reason; a new version of the row may not.
      case when old.status = 'Failed' then 'Failed without a reason' end
    );
    new.generation_started_at := old.generation_started_at;
    -- A machine is paid until it lets go (fairlane_core.let_go).
    if strpos(v_mode, 'bills') = 0 then
      new.generation_processed_at := old.generation_processed_at;
    end if;
    new.worker_id := old.worker_id;
  elsif new.status = 'Failed' then
    new.error_message := fairlane_core.cut_text(coalesce(v_said, 'Failed without a reason'));
    if v_is_direct and new.error_message <> v_said then
      -- The history keeps more of the text. A direct change gives all its rows the same text.
      v_noticed := jsonb_build_object('error_message', fairlane_core.cut_ends(v_said));
    end if;
    new.output_location := case
      when new.output_location is distinct from old.output_location
        then coalesce(fairlane_core.cut_text(nullif(new.output_location, '')), new.error_message)
      else new.error_message
    end;
  elsif new.status = 'Complete' then
    new.generation_processed_at := fairlane_core.now();
    if v_is_direct and new.output_location is not distinct from old.output_location then
      new.output_location := null; -- a progress text is no result
    end if;
    if new.output_location is distinct from old.output_location and new.file_location is null then
      new.file_location := fairlane_core.described_file(fairlane_core.json_object_of(new.output_location), new.user_id, new.id);
    end if;
    -- The worker that made the result had lost the task meanwhile; the result is still its own.
    if old.status = 'Queued' and new.worker_id is null then
      new := fairlane_core.with_its_last_start(new);
    end if;
    new.generation_created := fairlane_core.creates_generation(new.task_type, new.params);
    -- Nobody works on the task any more, and nobody will requeue it.
    new.params := fairlane_core.without_secrets(new.params);
  elsif new.status = 'Queued' then
    new.lease_token := null;
    new.claim_id := null;
    new.token_id := null;
    new.worker_id := null;
    new.delivered_at := null;
    new.reported_at := null;
    new.seen_at := null;
    new.is_beaten_for := false;
    -- Proof of an attempt, also on rows that were started before the column existed.
    if old.status = 'In Progress' then
      -- The progress of the last attempt says nothing about the next one.
      if new.output_location is not distinct from old.output_location then
        new.output_location := null;
      end if;
      if v_is_direct and new.error_message is not distinct from old.error_message
        and new.error_details is distinct from old.error_details then
        new.error_message := coalesce(new.error_details, new.error_message); -- the reason, whichever field it came in
      end if;
      new.claimed_at := coalesce(old.claimed_at, old.generation_started_at, old.updated_at, old.created_at);
    end if;
    new.generation_started_at := null;
    new.generation_processed_at := null;
    new.file_location := null;
  end if;

  if new.task_type is distinct from old.task_type or new.pool is null or (new.status = 'Queued' and old.status <> 'Queued') then
    select y.run_type, y.category, y.runs_on_own_gpu
    into new.pool, v_category, new.runs_on_own_gpu
    from fairlane.task_types as y
    where y.name = new.task_type;
    new.pool := coalesce(new.pool, 'gpu');
    new.runs_on_own_gpu := coalesce(new.runs_on_own_gpu and new.pool <> 'gpu', false);
    new.takes_slot := fairlane_core.takes_slot(new.task_type, v_category);
    -- A running attempt keeps pool and kind; otherwise its holder would be judged by the rules of another pool and be
    -- given other work as well. A task may turn out to be orchestration meanwhile, but not the reverse.
    if new.status = 'In Progress' then
      new.runs_on_own_gpu := case when old.pool is null then new.runs_on_own_gpu else old.runs_on_own_gpu end;
      new.pool := coalesce(old.pool, new.pool);
      new.takes_slot := coalesce(old.takes_slot, true) and new.takes_slot;
    end if;
  end if;
  if new.project_id is distinct from old.project_id and new.project_id is not null then
    new.user_id := coalesce((select p.user_id from fairlane.projects as p where p.id = new.project_id), new.user_id);
  end if;
  if new.params is distinct from old.params then
    new.params := fairlane_core.params_object(new.params);
    perform fairlane_core.refuse_large_json(new.params, 'params');
    new.has_bounded_params := true;
  end if;
  if v_is_derived_again or new.params is distinct from old.params then
    new.model := fairlane_core.task_model(new.params);
  end if;
  -- What it is part of, or waits for: fairlane_core.tasks_after_update applies the consequences.
  if new.dependant_on is distinct from old.dependant_on or (
    (new.params is distinct from old.params or new.task_type <> old.task_type or new.user_id is distinct from old.user_id)
    and fairlane_core.subtask_of(new.id, new.user_id, new.task_type, new.params)
      is distinct from fairlane_core.subtask_of(old.id, old.user_id, old.task_type, old.params)
  ) then
    v_noticed := coalesce(v_noticed, '{}') || jsonb_build_object('regroups', true);
  end if;

  if new.status = 'In Progress' then
    new.readiness := 'active';
  else
    -- Its age counts from its release.
    if new.requeue_count > old.requeue_count then
      new.released_at := fairlane_core.now();
    elsif new.status = 'Queued' and new.dependant_on is not null then
      new.released_at := greatest(old.released_at, fairlane_core.released_at(new.id, new.dependant_on, new.user_id));
    end if;
    new.readiness := fairlane_core.task_readiness(new);
  end if;

  if new.attempts <> v_sent_attempts and v_sent_attempts <> old.attempts
    and v_is_direct and pg_trigger_depth() = 1 and fairlane_core.is_plain_write() then
    perform fairlane_core.note_unused_column('tasks', 'attempts');
  end if;
  if not v_is_derived_again then
    new.updated_at := fairlane_core.now();
  end if;
  if v_noticed is not null then
    perform set_config(
      'fairlane_core.noticed', (coalesce(nullif(current_setting('fairlane_core.noticed', true), '')::jsonb, '{}') || v_noticed)::text, true
    );
  end if;
  return new;
end;
$$;

-- A claim and a plain completion set everything derived themselves, including readiness (fairlane_core.start_task,
-- fairlane_core.complete_task), and a heartbeat changes nothing derived (fairlane_core.show_signs_of_life): the trigger
-- skips them. The condition is short because every statement that updates tasks parses it again.
create trigger tasks_before_update
  before update on fairlane.tasks
  for each row
  when (current_setting('fairlane_core.mode', true) is distinct from 'counts_itself')
  execute function fairlane_core.tasks_before_update();
