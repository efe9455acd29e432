-- Task types as operators set them, and type names of tasks that have no row.

-- Adds a task type or changes one. The table's trigger (fairlane_core.task_types_after_write) applies the consequences:
-- the change costs the same however many tasks of it wait or run, and claims obey it from its commit on.
-- See fairlane.set_task_type.
create function fairlane_core.set_task_type(p_caller jsonb, p_name text, p_changes jsonb)
returns json
language plpgsql
volatile
security definer -- reads the derived state
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_old fairlane.task_types;
  v_new fairlane.task_types;
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);
  if coalesce(length(p_name), 0) not between 1 and 200 then
    perform fairlane_core.refuse(400, 'INVALID_ARGUMENT', 'The name of a type must have 1 to 200 characters');
  end if;

  perform fairlane_core.open_tables(false);
  -- Two calls at once for a new name: the second waits, and then changes what the first has added.
  perform fairlane_core.wait_for_name('fairlane_core.task_type::' || p_name, 'Another change of this type');
  select y.* into v_old from fairlane.task_types as y where y.name = p_name for no key update;
  v_new := fairlane_core.read_type_changes(case when v_old.name is null then fairlane_core.type_by_name(p_name) else v_old end, p_changes);

  if v_old.name is null then
    insert into fairlane.task_types (
      name, run_type, category, content_type, is_active, creates_generation, max_attempts, timeout, is_retryable,
      runs_on_own_gpu
    )
    values (
      v_new.name, v_new.run_type, v_new.category, v_new.content_type, v_new.is_active, v_new.creates_generation,
      v_new.max_attempts, v_new.timeout, v_new.is_retryable, v_new.runs_on_own_gpu
    )
    on conflict (name) do nothing;
    if not found then
      perform fairlane_core.refuse(503, 'UNAVAILABLE', 'Another transaction has just added a type of this name', 'Repeat the same request');
    end if;
  elsif v_old is distinct from v_new then
    update fairlane.task_types as y
    set run_type = v_new.run_type,
      category = v_new.category,
      content_type = v_new.content_type,
      is_active = v_new.is_active,
      creates_generation = v_new.creates_generation,
      max_attempts = v_new.max_attempts,
      timeout = v_new.timeout,
      is_retryable = v_new.is_retryable,
      runs_on_own_gpu = v_new.runs_on_own_gpu
    where y.name = p_name;
  end if;

  return json_build_object(
    'name', p_name,
    'change', case when v_old.name is null then 'added' when v_old is distinct from v_new then 'changed' else 'none' end,
    'before', case when v_old.name is not null then fairlane_core.type_as_json(v_old) end,
    'type', fairlane_core.type_as_json(v_new),
    'is_settled', not exists (select from fairlane_core.deferred_work as w where w.task_type = p_name)
  );
end;
$$;

-- Applies an operator's changes to a type, and refuses unknown fields and wrong values. Fields that are not named stay;
-- null removes an optional value.
-- Returns this type with these changes (fields as in fairlane_core.type_as_json). Raises 400 INVALID_ARGUMENT for an
-- unknown field, a wrong value, and orchestration that creates generations or runs on GPUs of its owner.
create function fairlane_core.read_type_changes(p_type fairlane.task_types, p_changes jsonb)
returns fairlane.task_types
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_type fairlane.task_types := p_type;
  v_field record;
  v_rule text;
  v_is_good boolean;
begin
  if jsonb_typeof(p_changes) is distinct from 'object' then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', 'The changes of a type must be an object', 'Send {} for a type that is as its name says'
    );
  end if;

  for v_field in select f.key, f.value, jsonb_typeof(f.value) as kind, f.value #>> '{}' as text from jsonb_each(p_changes) as f order by f.key loop
    case v_field.key
      when 'pool' then
        v_rule := 'one of ' || array_to_string(fairlane_core.pools(), ', ');
        v_is_good := v_field.kind = 'string' and v_field.text = any (fairlane_core.pools());
      when 'category' then
        v_rule := 'one of generation, processing, orchestration, utility';
        v_is_good := v_field.kind = 'string' and v_field.text in ('generation', 'processing', 'orchestration', 'utility');
      when 'content_type' then
        v_rule := 'image, video or null';
        v_is_good := v_field.kind = 'null' or (v_field.kind = 'string' and v_field.text in ('image', 'video'));
      when 'creates_generation', 'is_active', 'is_retryable', 'runs_on_own_gpu' then
        v_rule := 'true or false';
        v_is_good := v_field.kind = 'boolean';
      when 'max_attempts' then
        v_rule := 'a whole number from 1 to 1000, or null';
        v_is_good := v_field.kind = 'null' or (v_field.kind = 'number' and v_field.text ~ '^[0-9]{1,4}$');
        if v_is_good and v_field.kind = 'number' then
          v_is_good := v_field.text::integer between 1 and 1000;
        end if;
      when 'timeout_seconds' then
        v_rule := 'a number of seconds, more than 0 and at most 30 days, or null';
        v_is_good := v_field.kind = 'null' or (v_field.kind = 'number' and length(v_field.text) <= 40);
        if v_is_good and v_field.kind = 'number' then
          v_is_good := v_field.text::numeric between 0.001 and 2592000;
        end if;
      else
        perform fairlane_core.refuse(
          400, 'INVALID_ARGUMENT', pg_catalog.format('A type of task has no field %s', fairlane_core.cut_text(v_field.key)),
          'Its fields are pool, category, content_type, creates_generation, is_active, is_retryable, max_attempts, timeout_seconds, runs_on_own_gpu'
        );
    end case;
    if not v_is_good then
      perform fairlane_core.refuse(
        400, 'INVALID_ARGUMENT', pg_catalog.format('The %s of a type must be %s, not %s', v_field.key, v_rule, left(v_field.value::text, 100))
      );
    end if;

    case v_field.key
      when 'pool' then v_type.run_type := v_field.text;
      when 'category' then v_type.category := v_field.text;
      when 'content_type' then v_type.content_type := v_field.text;
      when 'creates_generation' then v_type.creates_generation := v_field.text::boolean;
      when 'is_active' then v_type.is_active := v_field.text::boolean;
      when 'is_retryable' then v_type.is_retryable := v_field.text::boolean;
      when 'runs_on_own_gpu' then v_type.runs_on_own_gpu := v_field.text::boolean;
      when 'max_attempts' then v_type.max_attempts := v_field.text::integer;
      when 'timeout_seconds' then v_type.timeout := make_interval(secs => v_field.text::double precision);
    end case;
  end loop;

  if v_type.category = 'orchestration' and v_type.creates_generation then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', 'An orchestration type creates no result record: its parts do',
      'Send creates_generation false with it, or another category'
    );
  elsif v_type.category = 'orchestration' and v_type.runs_on_own_gpu then
    perform fairlane_core.refuse(
      400, 'INVALID_ARGUMENT', 'An orchestration type runs in its own pool only: just types that take a slot can run on their owner''s GPU as well',
      'Send runs_on_own_gpu false with it, or another category'
    );
  end if;
  return v_type;
end;
$$;

-- The types without a row that tasks were enqueued with in the last week, what they count as, and how to set them.
-- See fairlane.unknown_task_types.
create function fairlane_core.unknown_task_types(p_caller jsonb)
returns json
language plpgsql
stable
security definer -- reads what the sweep noted
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_now timestamptz := fairlane_core.now();
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);
  return json_build_object(
    'types', coalesce(
      (
        select json_agg(json_build_object(
          'name', u.name,
          'task_count', u.task_count,
          'first_seen_at', u.first_seen_at,
          'last_seen_at', u.last_seen_at,
          'taken_for', fairlane_core.type_as_json(fairlane_core.type_by_name(u.name)),
          'hint', pg_catalog.format(
            'If that is right: select fairlane.set_task_type(%L); if not, say what it is: select fairlane.set_task_type(%L, %L)',
            u.name, u.name, '{"pool": "api", "category": "generation", "content_type": "image", "creates_generation": true}'
          )
        ) order by u.last_seen_at desc, u.name)
        from fairlane_core.unknown_types as u
        where u.last_seen_at > v_now - interval '7 days'
          and not exists (select from fairlane.task_types as y where y.name = u.name)
      ),
      '[]'
    ),
    'since', v_now - interval '7 days'
  );
end;
$$;

-- What a type without a row counts as: a row with all defaults.
create function fairlane_core.type_by_name(p_name text)
returns fairlane.task_types
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_type fairlane.task_types;
begin
  v_type.name := p_name;
  v_type.run_type := 'gpu';
  v_type.category := case when fairlane_core.takes_slot(p_name, null) then 'processing' else 'orchestration' end;
  v_type.is_active := true;
  v_type.creates_generation := false;
  v_type.is_retryable := true;
  v_type.runs_on_own_gpu := false;
  return v_type;
end;
$$;

-- A type of task as operators read and write it (the fields of fairlane.set_task_type): {pool, category, content_type,
-- creates_generation, is_active, is_retryable, max_attempts, timeout_seconds, runs_on_own_gpu}.
create function fairlane_core.type_as_json(p_type fairlane.task_types)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return jsonb_build_object(
    'pool', p_type.run_type,
    'category', p_type.category,
    'content_type', p_type.content_type,
    'creates_generation', p_type.creates_generation,
    'is_active', p_type.is_active,
    'is_retryable', p_type.is_retryable,
    'max_attempts', p_type.max_attempts,
    'timeout_seconds', extract(epoch from p_type.timeout),
    'runs_on_own_gpu', p_type.runs_on_own_gpu
  );
end;
$$;
