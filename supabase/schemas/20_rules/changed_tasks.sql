-- What a change of a task may be: the state machine in force, row by row, whatever the way in.

-- Keeps the state machine whatever the way in. Deployed clients PATCH many rows at once while tasks finish in
-- between, so an illegal row is left as it is (and not returned) and the rest of the statement goes through.
create function queue.tasks_before_update()
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
  v_event constant text := coalesce(current_setting('queue.event', true), '');
  v_mode constant text := coalesce(current_setting('queue.mode', true), '');
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
    -- Orchestrators give each reset of a task the same reason; a trigger cannot see that it was said again.
    case when v_is_direct and old.status = 'In Progress' and new.status = 'Queued' then nullif(new.error_message, '') end
  );
  v_told text;
  v_category text;
  v_is_given_back boolean;
  v_is_forgiven boolean;
  v_noticed jsonb;
begin
  if not queue.is_legal_transition(old, new)
    or (v_is_direct and old.status = 'In Progress' and new.status = 'Queued' and queue.is_overtaken_reset(old, new)) then
    return null;
  end if;
  -- A worker that heard nothing says once more, here, how an earlier start of its own ended; another one has the task now.
  -- What the queue itself takes back brings the words of that earlier start along, and means this one.
  if v_is_direct and old.status = 'In Progress' and new.status = 'Queued' and new.attempts < old.attempts
    and strpos(v_mode, 'forgives_starts') = 0
    and queue.is_told_again(old, new.attempts, new.error_details) then
    return null;
  end if;

  -- A start ends for want of a result of which a failure was told, and held back: that says more than the silence after it.
  if old.status = 'In Progress' and new.status = 'Queued' and v_reason is null then
    v_told := queue.told_reason(old);
    if strpos(coalesce(v_said, ''), v_told) = 0 then
      v_said := concat_ws('; ', v_said, 'it was said to have failed: ' || v_told);
      new.error_message := v_said;
    end if;
  end if;

  perform queue.refuse_impossible_values(new, old);
  if new.token_id is null and new.worker_id is distinct from old.worker_id then
    perform queue.refuse_name_of_a_token(new.worker_id);
  end if;

  -- What a worker says is kept as far as it goes. It is compared first: most updates say nothing new.
  if new.result_data is distinct from old.result_data then
    new.result_data := queue.bounded_data(new.result_data);
  end if;
  if new.output_location is distinct from old.output_location and new.status <> 'Failed' then
    new.output_location := queue.cut_ends(new.output_location);
  end if;
  if new.thumbnail_url is distinct from old.thumbnail_url then
    new.thumbnail_url := queue.cut_ends(new.thumbnail_url);
  end if;
  if new.error_details is distinct from old.error_details then
    new.error_details := queue.cut_ends(new.error_details);
  end if;
  if new.error_message is distinct from old.error_message and new.status <> 'Failed' then
    new.error_message := queue.cut_ends(new.error_message);
  end if;

  -- Only a claim or a requeue moves the count of starts; what a client read and wrote back does not. Only the queue
  -- itself takes a start off again: one that never reached its worker, or that its holder hands back.
  v_is_given_back := old.status = 'In Progress' and new.status = 'Queued' and new.attempts < old.attempts
    and strpos(v_mode, 'forgives_starts') > 0;
  -- Not for ever: from the second time on the task waits, longer each time, and in the end its starts count. What is
  -- counted is the task's, whatever comes between: a start that counts is no reason to give as many again.
  v_is_forgiven := false;
  if v_is_given_back then
    v_is_forgiven := old.free_returns < (select s.max_free_returns from queue.settings as s);
    new.free_returns := old.free_returns + 1;
    if old.free_returns > 0 then
      new.available_at := greatest(new.available_at, queue.now() + queue.retry_wait(old.free_returns));
    end if;
  elsif new.requeue_count > old.requeue_count then
    new.free_returns := 0;
    new.claim_repeats := 0;
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
    -- A finished task keeps its result and its story; only a file may still be described, once (queue.complete_task). No API
    -- role may write file_location, which proves it.
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
    -- A machine is paid until it lets go (queue.let_go).
    if strpos(v_mode, 'bills') = 0 then
      new.generation_processed_at := old.generation_processed_at;
    end if;
    new.worker_id := old.worker_id;
  elsif new.status = 'Failed' then
    new.error_message := queue.cut_text(coalesce(v_said, 'Failed without a reason'));
    if v_is_direct and new.error_message <> v_said then
      -- The history keeps more of it. A direct change says the same of all its rows.
      v_noticed := jsonb_build_object('error_message', queue.cut_ends(v_said));
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
    if new.output_location is distinct from old.output_location and new.file_location is null then
      new.file_location := queue.described_file(queue.json_object_of(new.output_location), new.user_id, new.id);
    end if;
    -- Whoever made it had lost it meanwhile; it is theirs all the same.
    if old.status = 'Queued' and new.worker_id is null then
      new := queue.with_its_last_start(new);
    end if;
    new.generation_created := queue.creates_generation(new.task_type, new.params);
    -- Nobody works on it any more, and nobody puts it back.
    new.params := queue.without_secrets(new.params);
  elsif new.status = 'Queued' then
    new.lease_token := null;
    new.claim_id := null;
    new.token_id := null;
    new.worker_id := null;
    new.delivered_at := null;
    new.reported_at := null;
    new.seen_at := null;
    new.is_beaten_for := false;
    -- Proof of a start, also on rows that were started before the column existed.
    if old.status = 'In Progress' then
      -- How far the last start came says nothing of the next one.
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
    from public.task_types as y
    where y.name = new.task_type;
    new.pool := coalesce(new.pool, 'gpu');
    new.runs_on_own_gpu := coalesce(new.runs_on_own_gpu and new.pool <> 'gpu', false);
    new.takes_slot := queue.takes_slot(new.task_type, v_category);
    -- A start stays what it was handed out as, or its holder would be judged by the rules of another pool, and be given
    -- other work beside it. That it is orchestration may turn out meanwhile, but not that it was none.
    if new.status = 'In Progress' then
      new.runs_on_own_gpu := case when old.pool is null then new.runs_on_own_gpu else old.runs_on_own_gpu end;
      new.pool := coalesce(old.pool, new.pool);
      new.takes_slot := coalesce(old.takes_slot, true) and new.takes_slot;
    end if;
  end if;
  if new.project_id is distinct from old.project_id and new.project_id is not null then
    new.user_id := coalesce((select p.user_id from public.projects as p where p.id = new.project_id), new.user_id);
  end if;
  if new.params is distinct from old.params then
    new.params := queue.params_object(new.params);
    perform queue.refuse_large_json(new.params, 'params');
    new.has_bounded_params := true;
  end if;
  if v_is_derived_again or new.params is distinct from old.params then
    new.model := queue.task_model(new.params);
  end if;
  -- What it is a part of, or waits for: queue.tasks_after_update follows.
  if new.dependant_on is distinct from old.dependant_on or (
    (new.params is distinct from old.params or new.task_type <> old.task_type or new.user_id is distinct from old.user_id)
    and queue.subtask_of(new.id, new.user_id, new.task_type, new.params)
      is distinct from queue.subtask_of(old.id, old.user_id, old.task_type, old.params)
  ) then
    v_noticed := coalesce(v_noticed, '{}') || jsonb_build_object('regroups', true);
  end if;

  if new.status = 'In Progress' then
    new.standing := 'active';
  else
    -- Its age counts from what let it go.
    if new.requeue_count > old.requeue_count then
      new.released_at := queue.now();
    elsif new.status = 'Queued' and new.dependant_on is not null then
      new.released_at := greatest(old.released_at, queue.released_at(new.id, new.dependant_on, new.user_id));
    end if;
    new.standing := queue.task_standing(new);
  end if;

  if new.attempts <> v_sent_attempts and v_sent_attempts <> old.attempts
    and v_is_direct and pg_trigger_depth() = 1 and queue.is_plain_write() then
    perform queue.note_unused_column('tasks', 'attempts');
  end if;
  if not v_is_derived_again then
    new.updated_at := queue.now();
  end if;
  if v_noticed is not null then
    perform set_config(
      'queue.noticed', (coalesce(nullif(current_setting('queue.noticed', true), '')::jsonb, '{}') || v_noticed)::text, true
    );
  end if;
  return new;
end;
$$;

-- A claim sets all that follows from it, standing too (queue.start_task), and a beat nothing that anything follows from
-- (queue.show_signs_of_life): they need no second opinion. The condition is short because every statement that updates
-- tasks parses it anew.
create trigger tasks_before_update
  before update on public.tasks
  for each row
  when (current_setting('queue.mode', true) is distinct from 'counts_itself')
  execute function queue.tasks_before_update();
