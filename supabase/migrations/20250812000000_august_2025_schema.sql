-- What: the schema as it was in August 2025, when tasks knew neither their user nor where they may run.
-- Why: databases from that time exist. On one of them this file does nothing; on an empty one it lays the ground that
-- the next migrations build on, so that both end alike. What it makes is closed to everybody in the same transaction. A
-- project that has something of its own under a name of the queue's is refused before that.
-- Back out: nothing to do; later migrations depend on it.

-- Only looks: here, and nowhere else, is decided what the queue may take for its own. One error names everything else.
-- A function, because the CLI prints the statement that failed; of this session, because it is needed once.
create function pg_temp.refuse_what_is_in_the_way()
returns void
language plpgsql
as $$
declare
  -- What later files make in public, and on the tables that there were in August 2025.
  -- Written by `npm run migrations`, from supabase/schemas, as far as the empty line.
  v_relations constant text[] := array[
    'active_workers_health', 'generations_by_parent', 'generations_by_project', 'generations_by_user',
    'orchestrator_status', 'projects_by_user', 'system_logs_by_cycle', 'system_logs_by_task', 'system_logs_by_time',
    'system_logs_by_worker', 'task_events', 'task_events_by_task', 'task_events_by_user', 'task_events_by_worker',
    'task_events_id_seq', 'task_events_pkey', 'task_types', 'task_types_pkey', 'tasks_by_age', 'tasks_by_dependency',
    'tasks_by_params', 'tasks_by_project', 'tasks_by_user', 'tasks_by_worker', 'tasks_claim_id_is_used_once',
    'tasks_idempotency_key_is_unique_per_user', 'tasks_live', 'tasks_never_started_since', 'tasks_not_yet',
    'tasks_not_yet_by_owner', 'tasks_on_own_gpu', 'tasks_on_own_gpu_not_yet', 'tasks_ready', 'tasks_ready_by_model',
    'tasks_running_by_worker', 'tasks_segments_of_a_run', 'tasks_set_aside', 'tasks_stale_orchestration',
    'user_api_tokens_by_user', 'workers_by_age'
  ];
  v_functions constant text[] := array[
    'beat(jsonb, text, text, uuid[], json, json, json)', 'cancel_tasks(jsonb, integer, text, jsonb)',
    'claim_next_task(jsonb, text, text, text, boolean, numeric, boolean)',
    'complete_task(jsonb, uuid, text, text, jsonb, uuid, text)', 'create_api_token(text, timestamptz)',
    'create_task(jsonb, jsonb)', 'create_tasks(jsonb, jsonb)', 'explain_task(jsonb, uuid)',
    'explain_worker(jsonb, text, text)', 'files_to_sweep(jsonb, text)', 'func_get_task_counts(text, text)',
    'func_insert_logs_batch(json)', 'func_update_worker_heartbeat(json)', 'func_worker_heartbeat_with_logs(json)',
    'get_completed_segments(jsonb, text, uuid, integer)', 'get_orchestrator_children(jsonb, uuid, text)',
    'get_predecessor_output(jsonb, uuid, uuid, integer)', 'get_task_output(jsonb, uuid)',
    'get_task_status(jsonb, uuid)', 'health(jsonb)', 'keep_worker(text, boolean, jsonb)',
    'mark_task_failed(jsonb, uuid, text, text, boolean, uuid)', 'move_project(uuid, uuid, jsonb)',
    'note_call(jsonb, uuid)', 'note_refused_claim(jsonb, text)', 'note_unused_fields(jsonb, text, jsonb)',
    'repair_generations(integer, boolean, uuid[])', 'requeue_tasks(uuid[], jsonb, integer, text, boolean, jsonb)',
    'revoke_api_token(uuid)', 'set_task_type(text, jsonb, jsonb)',
    'task_counts(jsonb, text, boolean, text[], boolean)', 'unknown_task_types(jsonb)',
    'update_shot_pair_prompts(jsonb)',
    'update_task_status(jsonb, uuid, text, text, text, text, text, jsonb, boolean, uuid, integer)',
    'update_worker_model(jsonb, text, text)', 'upload_target(jsonb, uuid, uuid)', 'worker_health(jsonb, numeric)'
  ];
  v_on_tables constant text[] := array[
    'policy owners_create_projects on public.projects', 'policy owners_delete_projects on public.projects',
    'policy owners_enqueue_tasks on public.tasks', 'policy owners_read_generations on public.generations',
    'policy owners_read_projects on public.projects', 'policy owners_read_tasks on public.tasks',
    'policy owners_read_tokens on public.user_api_tokens', 'policy owners_update_projects on public.projects',
    'policy users_read_themselves on public.users',
    'trigger projects_after_insert_enforce_project_limit on public.projects',
    'trigger projects_after_update on public.projects', 'trigger projects_before_delete on public.projects',
    'trigger projects_before_insert on public.projects', 'trigger projects_before_update on public.projects',
    'trigger projects_before_write on public.projects', 'trigger tasks_after_delete on public.tasks',
    'trigger tasks_after_insert on public.tasks', 'trigger tasks_after_insert_enforce_queue_limit on public.tasks',
    'trigger tasks_after_truncate on public.tasks', 'trigger tasks_after_update on public.tasks',
    'trigger tasks_before_insert on public.tasks', 'trigger tasks_before_update on public.tasks',
    'trigger user_api_tokens_after_update on public.user_api_tokens', 'trigger users_after_delete on public.users',
    'trigger users_after_insert on public.users', 'trigger users_after_update on public.users',
    'trigger users_before_delete on public.users', 'trigger users_keep_settings_small on public.users',
    'trigger workers_after_delete on public.workers', 'trigger workers_after_insert on public.workers',
    'trigger workers_after_write on public.workers', 'trigger workers_before_metadata on public.workers',
    'trigger workers_before_status on public.workers',
    'trigger workers_before_update_keep_runpod_id on public.workers',
    'trigger workers_before_write on public.workers', 'trigger workers_keep_metadata_small on public.workers'
  ];

  -- The same of what is written by hand. The old relations come with the tables of August 2025 themselves.
  v_old_relations constant text[] := array[
    'users_pkey', 'projects_pkey', 'tasks_pkey', 'workers_pkey', 'generations_pkey', 'system_logs_pkey',
    'system_logs_id_seq', 'user_api_tokens_pkey', 'user_api_tokens_token_key'
  ];
  v_other_relations constant text[] := array['generations_are_one_per_task', 'user_api_tokens_hash_is_unique'];
  v_others_on_tables constant text[] := array[
    'policy anyone_reads_fresh_tasks on public.tasks', 'policy anyone_deletes_spare_parts on public.tasks',
    'trigger tasks_are_completed on public.tasks',
    'table constraint tasks_are_complete on public.tasks',
    'table constraint tasks_belong_to_a_user on public.tasks',
    'table constraint tasks_belong_to_a_project on public.tasks',
    'table constraint projects_belong_to_a_user on public.projects',
    'table constraint users_max_in_progress_is_not_negative on public.users',
    'table constraint users_max_orchestrating_is_not_negative on public.users',
    'table constraint workers_metadata_is_an_object on public.workers',
    'table constraint workers_times_are_finite on public.workers',
    'table constraint generations_belong_to_a_user on public.generations',
    'table constraint generations_belong_to_a_project on public.generations',
    'table constraint generations_come_from_a_task on public.generations',
    'table constraint generations_are_one_per_task on public.generations',
    'table constraint user_api_tokens_belong_to_a_user on public.user_api_tokens',
    'table constraint user_api_tokens_hash_is_unique on public.user_api_tokens',
    'table constraint user_api_tokens_hash_is_sha256_hex on public.user_api_tokens'
  ];
  -- What the fleet's backend of that time had under the queue's names, and the upgrade replaces: these views, and with any
  -- arguments those of the functions above that begin with func_.
  v_old_views constant text[] := array['orchestrator_status', 'active_workers_health'];

  v_old_tables text[];
  v_is_august boolean;
  v_in_the_way text[];
  v_others text[];
begin
  -- A push of these files has been here, whole or cut: what it finds is its own. Guests have schema fairlane as well.
  if to_regclass('fairlane_core.settings') is not null and to_regnamespace('fairlane') is null then
    return;
  end if;

  -- The tables are the queue's when all seven are there and have these columns of August 2025, of these types: users and
  -- projects alone are an app's. What later files add (gets) may be there already, with the type that they give it.
  with form (name, has, gets) as (
    values
      ('users', 'id uuid, credits numeric, settings jsonb, created_at timestamptz', 'max_in_progress int4, max_orchestrating int4'),
      ('projects', 'id uuid, user_id uuid, name text, created_at timestamptz', 'deleted_at timestamptz'),
      (
        'tasks',
        'id uuid, task_type text, params jsonb, status text|task_status, project_id uuid, dependant_on uuid, worker_id text,
        output_location text, attempts int4, error_message text, created_at timestamptz, generation_started_at timestamptz,
        generation_processed_at timestamptz',
        'error_details text, result_data jsonb, generation_created bool, updated_at timestamptz, thumbnail_url text,
        user_id uuid, run_type text, priority int4, available_at timestamptz, idempotency_key text, lease_token uuid,
        claim_id text, claimed_at timestamptz, delivered_at timestamptz, token_id uuid, requeue_count int4, pool text,
        takes_slot bool, readiness text, model text, max_attempts int4, timeout interval, reported_at timestamptz,
        has_bounded_params bool, released_at timestamptz, uncounted_releases int4, file_location text, seen_at timestamptz,
        is_beaten_for bool, runs_on_own_gpu bool, claim_repeats int4, status_as_text text'
      ),
      (
        'workers',
        'id text, instance_type text, status text, last_heartbeat timestamptz, created_at timestamptz, metadata jsonb,
        current_model text',
        'reaped_at timestamptz, failed_at timestamptz, goodbye_at timestamptz, ended_at timestamptz, kept_at timestamptz'
      ),
      (
        'generations', 'id uuid, project_id uuid, type text, location text, params jsonb, created_at timestamptz',
        'task_id uuid, user_id uuid, thumbnail_url text, parent_generation_id uuid, child_order int4, is_child bool,
        based_on uuid'
      ),
      (
        'system_logs',
        'id int8, timestamp timestamptz, source_type text, source_id text, log_level text, message text, task_id text,
        worker_id text, cycle_number int4, metadata jsonb',
        null
      ),
      (
        'user_api_tokens', 'id uuid, user_id uuid, token text, label text, created_at timestamptz',
        'token_hash text, token_prefix text, expires_at timestamptz, revoked_at timestamptz'
      )
  ),
  found as (
    select f.name, c.oid, c.relkind, l.columns as lacks, l.is_other
    from form as f
      left join pg_class as c on c.relnamespace = 'public'::regnamespace and c.relname = f.name
      cross join lateral (
        select string_agg(replace(k.said, '|', ' or '), ', ' order by k.place), bool_or(k.is_needed)
        from (
          select h.said, h.place, true from regexp_split_to_table(f.has, ',\s+') with ordinality as h (said, place)
          union all
          select g.said, 100 + g.place, false from regexp_split_to_table(f.gets, ',\s+') with ordinality as g (said, place)
        ) as k (said, place, is_needed)
          left join pg_attribute as a
            on a.attrelid = c.oid and a.attname = split_part(k.said, ' ', 1) and not a.attisdropped
          left join pg_type as t on t.oid = a.atttypid
        where case
          when a.attname is null then k.is_needed
          else t.typname <> all (string_to_array(split_part(k.said, ' ', 2), '|'))
        end
      ) as l (columns, is_other)
  )
  select
    array_agg(f.name),
    coalesce(bool_and(f.relkind = 'r' and f.is_other is not true), false) and count(f.oid) = count(*),
    coalesce(array_agg(format('%s %s %s', i.type, i.identity, case
      when f.relkind <> 'r' then 'is no table'
      when f.lacks is not null then 'lacks ' || f.lacks
      else 'is there without ' || m.names
    end)) filter (where f.oid is not null and (f.relkind <> 'r' or f.lacks is not null or m.names is not null)), '{}')
  into v_old_tables, v_is_august, v_in_the_way
  from found as f
    cross join (select string_agg(o.name, ', ') as names from found as o where o.oid is null) as m
    cross join lateral pg_identify_object('pg_class'::regclass, f.oid, 0) as i;

  with by_name (class, oid) as (
    select 'pg_class'::regclass, c.oid
    from pg_class as c
    where c.relnamespace = 'public'::regnamespace
      and c.relname = any (v_relations || v_old_relations || v_other_relations)
      and not (v_is_august and c.relkind = 'v' and c.relname = any (v_old_views))
      -- What comes with those tables is named with them.
      and not (
        c.relname = any (v_old_relations)
        and exists (
          select
          from unnest(v_old_tables) as o (name)
            left join pg_index as x on x.indexrelid = c.oid
            left join pg_depend as d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
          where to_regclass('public.' || o.name) in (x.indrelid, d.refobjid)
        )
      )
    union all
    select 'pg_type'::regclass, t.oid
    from pg_type as t
    where t.typnamespace = 'public'::regnamespace
      and t.typrelid = 0
      and t.typname = any (v_old_tables || v_relations || text 'task_status')
      and not exists (
        select from pg_attribute as a
        where a.attrelid = to_regclass('public.tasks') and a.attname = 'status' and a.atttypid = t.oid
      )
  ),
  on_table (class, oid) as (
    select 'pg_policy'::regclass, p.oid from pg_policy as p where v_is_august
    union all
    select 'pg_trigger'::regclass, t.oid from pg_trigger as t where v_is_august and not t.tgisinternal
    union all
    select 'pg_constraint'::regclass, c.oid from pg_constraint as c where v_is_august and c.conrelid <> 0
  ),
  function_of_ours (oid, signature, is_old) as (
    select to_regprocedure('public.' || f.signature), f.signature, f.signature like 'func\_%'
    from unnest(v_functions || text 'complete_old_task()') as f (signature)
  ),
  -- What the upgrade drops: whatever uses it would stop it halfway.
  taken (class, oid, part, said) as (
    select 'pg_class'::regclass, a.attrelid, a.attnum, format('column public.%s.%s', k.on_table, k.name)
    from (values ('tasks', 'status'), ('user_api_tokens', 'token')) as k (on_table, name)
      join pg_attribute as a on a.attrelid = to_regclass('public.' || k.on_table) and a.attname = k.name
    where a.attname <> 'status' or a.atttypid <> 'text'::regtype
    union all
    select 'pg_class'::regclass, c.oid, null, 'view public.' || c.relname
    from pg_class as c
    where c.relnamespace = 'public'::regnamespace and c.relname = any (v_old_views)
    union all
    select 'pg_proc'::regclass, p.oid, null, format('function public.%s', p.proname)
    from pg_proc as p
    where p.pronamespace = 'public'::regnamespace
      and p.proname in (select split_part(f.signature, '(', 1) from function_of_ours as f where f.is_old)
  ),
  things (name, why) as (
    select i.type || ' ' || i.identity, 'has a name that the queue uses'
    from by_name as n cross join lateral pg_identify_object(n.class, n.oid, 0) as i
    union all
    select i.type || ' ' || i.identity, 'has a name that the queue uses'
    from on_table as n cross join lateral pg_identify_object(n.class, n.oid, 0) as i
    where i.type || ' ' || i.identity = any (v_on_tables || v_others_on_tables)
    union all
    select
      'schema fairlane_core',
      case when to_regnamespace('fairlane') is null then 'has a name that the queue uses' else 'is of the guest profile' end
    where to_regnamespace('fairlane_core') is not null
    union all
    select 'function public.' || f.signature, 'has the name and the arguments of the queue''s own'
    from function_of_ours as f
    where f.oid is not null and not (v_is_august and f.is_old)
    union all
    select
      format('function public.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)),
      'would be called in place of the queue''s own'
    from pg_proc as p
    where p.pronamespace = 'public'::regnamespace
      and not v_is_august
      and p.proname in (select split_part(f.signature, '(', 1) from function_of_ours as f where f.is_old)
      and not exists (select from function_of_ours as f where f.oid = p.oid)
    union all
    select i.type || ' ' || i.identity, format('uses %s, which the upgrade drops', k.said)
    from taken as k
      join pg_depend as d
        on d.refclassid = k.class and d.refobjid = k.oid and d.refobjsubid = coalesce(k.part, d.refobjsubid) and d.deptype = 'n'
      left join pg_rewrite as w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
      cross join lateral pg_identify_object(
        case when w.oid is null then d.classid else 'pg_class'::regclass end, coalesce(w.ev_class, d.objid), 0
      ) as i
    where v_is_august and i.identity <> all (array(select 'public.' || o from unnest(v_old_views) as o))
  )
  select array_agg(distinct t.name || ' ' || t.why order by t.name || ' ' || t.why) into v_others from things as t;

  v_in_the_way := v_in_the_way || v_others;
  if cardinality(v_in_the_way) > 0 then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format(
        E'These things of the project are in the queue''s way:\n- %s\n%s', array_to_string(v_in_the_way, E'\n- '),
        'Nothing was changed. Rename or drop them and push again, or take the guest profile, which leaves public alone: docs/operations.md, "What a push refuses".'
      );
  end if;
end;
$$;

select pg_temp.refuse_what_is_in_the_way();
drop function pg_temp.refuse_what_is_in_the_way();

do $$
declare
  v_table text;
begin
  if to_regclass('public.tasks') is not null then
    return;
  end if;

  create type public.task_status as enum ('Queued', 'In Progress', 'Complete', 'Failed', 'Cancelled');

  create table public.users (
    id uuid primary key,
    credits numeric not null default 0,
    settings jsonb,
    created_at timestamptz not null default now()
  );

  create table public.projects (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references public.users (id) on delete cascade,
    name text not null default '',
    created_at timestamptz not null default now()
  );

  create table public.tasks (
    id uuid primary key default gen_random_uuid(),
    task_type text not null,
    params jsonb not null default '{}',
    status public.task_status not null default 'Queued',
    project_id uuid references public.projects (id) on delete cascade,
    dependant_on uuid,
    worker_id text,
    output_location text,
    attempts integer not null default 0,
    error_message text,
    error_details text,
    created_at timestamptz not null default now(),
    updated_at timestamptz,
    generation_started_at timestamptz,
    generation_processed_at timestamptz,
    result_data jsonb,
    generation_created boolean not null default false
  );

  create table public.workers (
    id text primary key,
    instance_type text not null default 'external',
    status text not null default 'inactive',
    last_heartbeat timestamptz,
    created_at timestamptz not null default now(),
    metadata jsonb not null default '{}',
    current_model text
  );

  create table public.generations (
    id uuid primary key default gen_random_uuid(),
    project_id uuid references public.projects (id) on delete cascade,
    type text,
    location text,
    params jsonb,
    created_at timestamptz not null default now()
  );

  create table public.system_logs (
    id bigint generated by default as identity primary key,
    "timestamp" timestamptz not null default now(),
    source_type text not null,
    source_id text,
    log_level text not null,
    message text not null,
    task_id text,
    worker_id text,
    cycle_number integer,
    metadata jsonb not null default '{}'
  );

  create table public.user_api_tokens (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references public.users (id) on delete cascade,
    token text not null unique,
    label text not null default '',
    created_at timestamptz not null default now()
  );

  -- A push may stop after any file: until one of them opens a table, nobody gets at it. Tables that were there stay as
  -- their owner has them.
  foreach v_table in array array['users', 'projects', 'tasks', 'workers', 'generations', 'system_logs', 'user_api_tokens'] loop
    execute format('alter table public.%I enable row level security', v_table);
    execute format('revoke all on table public.%I from public, anon, authenticated, service_role', v_table);
  end loop;
  revoke all on sequence public.system_logs_id_seq from public, anon, authenticated, service_role;
end;
$$;
