-- The result records (fairlane.generations) of completed tasks, and their files: target folders, orphans, the bucket.

-- The result records of tasks that were just completed. Called wherever a task becomes Complete, so a task of a type
-- that creates generations cannot complete without one. A task that is requeued and completed again replaces its
-- record: task and record never name different results.
create function fairlane_core.record_generations(p_task_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  insert into fairlane.generations (
    task_id, project_id, user_id, type, location, thumbnail_url, params, created_at,
    parent_generation_id, child_order, is_child, based_on
  )
  select
    t.id, t.project_id, t.user_id, y.content_type, coalesce(t.file_location, t.output_location), t.thumbnail_url,
    fairlane_core.without_secrets(t.params),
    coalesce(t.generation_processed_at, t.updated_at, t.created_at), -- old rows may lack the first two
    l.parent_generation_id, l.child_order, l.parent_generation_id is not null, l.based_on
  from fairlane.tasks as t
    left join fairlane.task_types as y on y.name = t.task_type
    cross join lateral fairlane_core.generation_links(t.id, t.user_id, t.params) as l
  where t.id = any (p_task_ids)
    and t.status = 'Complete'
    and t.generation_created
    -- A child that is Complete because of another one has no result of its own.
    and not exists (select from fairlane_core.subtasks as s where s.task_id = t.id and s.replaced_by is not null)
  on conflict (task_id) do update
    set location = excluded.location,
      thumbnail_url = excluded.thumbnail_url,
      params = excluded.params;
end;
$$;

-- Whether completing a task of this type with these params creates a result record; params.skip_generation = true
-- prevents it.
create function fairlane_core.creates_generation(p_task_type text, p_params jsonb)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return exists (
    select from fairlane.task_types as y
    where y.name = p_task_type
      and y.creates_generation
  ) and p_params ->> 'skip_generation' is distinct from 'true';
end;
$$;

-- What a task's result record belongs to: params name a parent record, a position in it and a record it is based on; a
-- numbered part belongs to what its orchestrator names. A part that is made again may know only its number as position:
-- it builds on the record at the position before it, as must the next part made again. Values that are malformed, or
-- not the owner's, are ignored.
create function fairlane_core.generation_links(
  p_task_id uuid, p_user_id uuid, p_params jsonb,
  out parent_generation_id uuid, out child_order integer, out based_on uuid
)
returns record
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_uuid constant text := '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$';
  v_part fairlane_core.subtasks;
  v_parent uuid := substring(p_params ->> 'parent_generation_id' from v_uuid)::uuid;
  v_based_on uuid := substring(p_params ->> 'based_on' from v_uuid)::uuid;
begin
  select s.* into v_part from fairlane_core.subtasks as s where s.task_id = p_task_id and s.final_rank in (1, 2);

  if v_parent is null and v_part.task_id is not null then
    select substring(o.params ->> 'parent_generation_id' from v_uuid)::uuid
    into v_parent
    from fairlane.tasks as o
    where o.id = v_part.orchestrator_id
      and o.user_id = p_user_id;
  end if;

  if v_parent is not null then
    select g.id into parent_generation_id from fairlane.generations as g where g.id = v_parent and g.user_id = p_user_id;
  end if;
  if v_based_on is not null then
    select g.id into based_on from fairlane.generations as g where g.id = v_based_on and g.user_id = p_user_id;
  end if;
  child_order := case
    when parent_generation_id is not null
      then coalesce(
        substring(p_params ->> 'child_order' from '^[0-9]{1,9}$')::integer,
        v_part.part_index,
        substring(p_params ->> fairlane_core.place_key() from '^[0-9]{1,9}$')::integer
      )
  end;
end;
$$;

-- Whose folder the files of a task go to, and whether it still accepts any. Checked before anything is stored, so that
-- neither a stranger nor a finished task leaves an object behind.
-- See fairlane.upload_target.
create function fairlane_core.upload_target(p_caller jsonb, p_task_id uuid, p_lease_token uuid)
returns json
language plpgsql
volatile
security definer -- writes delivered_at, which no API role may
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller fairlane_core.caller := fairlane_core.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_task fairlane.tasks := fairlane_core.lock_task_for(v_caller, p_task_id);
begin
  if p_lease_token is not null then
    perform fairlane_core.refuse_stale_lease(v_task, p_lease_token);
  end if;

  -- A caller with a file for the task has the task: the same proof as any other report.
  if v_task.status = 'In Progress' then
    update fairlane.tasks as t
    set delivered_at = coalesce(t.delivered_at, fairlane_core.now()),
      reported_at = fairlane_core.now()
    where t.id = v_task.id;
  end if;

  return json_build_object(
    'task_id', v_task.id,
    'user_id', v_task.user_id,
    'status', v_task.status,
    'attempt', v_task.attempts,
    -- The states from which a task can become Complete, see fairlane_core.complete_task.
    'is_open', v_task.status = 'In Progress' or (v_task.status = 'Queued' and v_task.claimed_at is not null)
  );
end;
$$;

-- The files that nobody can use: of tasks that failed, were cancelled or are deleted, a day after the upload, unless
-- something still names them. A page at a time, in name order. Only listed here: deleting the row of an object leaves
-- its bytes, so the function sweep-files deletes through Storage.
-- See fairlane.files_to_sweep.
create function fairlane_core.files_to_sweep(p_caller jsonb, p_after text)
returns json
language plpgsql
stable
security definer -- reads the objects of Storage and everybody's tasks
set search_path = ''
set plan_cache_mode = force_custom_plan -- reads what every task names
set enable_seqscan = on
as $$
declare
  v_page_size constant integer := 1000;
  v_uuid constant text := '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
  v_path constant text := v_uuid || '/tasks/' || v_uuid || '/[A-Za-z0-9._/-]+';
  v_before constant timestamptz := pg_catalog.now() - interval '1 day'; -- the clock of Storage
  v_names text[];
  v_last text;
  v_looked integer := 0;
begin
  perform fairlane_core.resolve_caller(p_caller, array['service']);

  if to_regclass('storage.objects') is not null then
    with page as materialized (
      select o.name, o.created_at, o.updated_at
      from storage.objects as o
      where o.bucket_id = 'image_uploads'
        and o.name > coalesce(p_after, '')
      order by o.name
      limit v_page_size
    ),
    files as (
      select p.name, split_part(p.name, '/', 3)::uuid as task_id
      from page as p
      where p.name ~ ('^' || v_path || '$')
        and greatest(p.created_at, p.updated_at) < v_before
    )
    select
      array_agg(f.name order by f.name) filter (where t.id is null or t.status in ('Failed', 'Cancelled')),
      (select max(p.name) from page as p),
      (select count(*) from page as p)
    into v_names, v_last, v_looked
    from files as f
      left join fairlane.tasks as t on t.id = f.task_id;
  end if;

  if v_names is not null then
    with texts (said) as (
      select s.said
      from fairlane.tasks as t
        cross join lateral (
          values (t.output_location), (t.file_location), (t.thumbnail_url), (t.result_data::text),
            (case when t.readiness is not null then t.params::text end)
        ) as s (said)
      union all
      select s.said
      from fairlane.generations as g
        cross join lateral (values (g.location), (g.thumbnail_url), (g.params::text)) as s (said)
    ),
    named as (
      select m.found[1] as name
      from texts as x
        cross join lateral regexp_matches(x.said, '(' || v_path || ')', 'g') as m (found)
      where strpos(x.said, '/tasks/') > 0
    )
    select array_agg(f.name order by f.name)
    into v_names
    from unnest(v_names) as f (name)
    where f.name not in (select n.name from named as n);
  end if;

  return json_build_object(
    'files', to_json(coalesce(v_names, array[]::text[])),
    'next', case when v_looked = v_page_size then v_last end
  );
end;
$$;

-- Creates the bucket of results, image_uploads. An existing one keeps its settings: its owner has chosen them.
create function fairlane_core.make_bucket()
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if to_regclass('storage.buckets') is null then
    return;
  end if;

  insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
  values (
    'image_uploads', 'image_uploads', true, 524288000,
    array[
      'image/png', 'image/jpeg', 'image/jpg', 'image/webp', 'image/gif', 'image/avif', 'image/bmp', 'image/tiff',
      'video/mp4', 'video/webm', 'video/quicktime', 'video/x-msvideo', 'video/vnd.avi', 'video/x-matroska', 'video/matroska',
      'video/x-m4v', 'video/mpeg',
      'application/octet-stream'
    ]
  )
  on conflict (id) do nothing;
end;
$$;
