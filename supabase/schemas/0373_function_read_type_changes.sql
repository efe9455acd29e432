-- Puts what an operator says of a type into its row, and refuses what is none of its fields or no value of theirs. Fields
-- that are not named stay; null takes away what may be absent.
create function queue.read_type_changes(p_type public.task_types, p_changes jsonb)
returns public.task_types
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_type public.task_types := p_type;
  v_field record;
  v_rule text;
  v_is_good boolean;
begin
  if jsonb_typeof(p_changes) is distinct from 'object' then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', 'The changes of a type must be an object', 'Send {} for a type that is as its name says'
    );
  end if;

  for v_field in select f.key, f.value, jsonb_typeof(f.value) as kind, f.value #>> '{}' as text from jsonb_each(p_changes) as f order by f.key loop
    case v_field.key
      when 'pool' then
        v_rule := 'one of ' || array_to_string(queue.pools(), ', ');
        v_is_good := v_field.kind = 'string' and v_field.text = any (queue.pools());
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
        perform queue.refuse(
          400, 'INVALID_ARGUMENT', pg_catalog.format('A type of task has no field %s', queue.cut_text(v_field.key)),
          'Its fields are pool, category, content_type, creates_generation, is_active, is_retryable, max_attempts, timeout_seconds, runs_on_own_gpu'
        );
    end case;
    if not v_is_good then
      perform queue.refuse(
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
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', 'A type of orchestration creates no generation: its parts do',
      'Send creates_generation false with it, or another category'
    );
  elsif v_type.category = 'orchestration' and v_type.runs_on_own_gpu then
    perform queue.refuse(
      400, 'INVALID_ARGUMENT', 'A type of orchestration keeps to its pool: only what takes a slot runs on a GPU of its owner as well',
      'Send runs_on_own_gpu false with it, or another category'
    );
  end if;
  return v_type;
end;
$$;

comment on function queue.read_type_changes(public.task_types, jsonb) is
  'This type with these changes (fields as in queue.type_as_json). Raises 400 INVALID_ARGUMENT for an unknown field, a wrong value, and orchestration that creates generations or runs on GPUs of its owner.';

revoke all on function queue.read_type_changes(public.task_types, jsonb) from public, anon, authenticated, service_role;
