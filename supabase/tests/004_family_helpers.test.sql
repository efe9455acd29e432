-- Families for tests: an orchestrator that runs, and its children. Commits, like the helpers before it.
set client_min_messages = warning;

-- A running orchestrator that announces so many parts (of a film), or so many that are merged (to a montage); null
-- announces nothing.
create or replace function tests.create_orchestrator(
  p_user_id uuid,
  p_announced integer default null,
  p_task_type text default 'film_orchestrator'
)
returns uuid language sql volatile set search_path = '' as $$
  select tests.create_task_in(
    'In Progress', p_user_id, p_task_type, 'gpu-orchestrator',
    p_params => case
      when p_announced is null then '{}'::jsonb
      else tests.announcing(case p_task_type when 'film_orchestrator' then 'part' else 'merge' end, p_announced)
    end
  );
$$;

-- A queued child: a part or a merge by its index, the final one without; or of any type.
create or replace function tests.create_child(
  p_orchestrator_id uuid,
  p_kind text,
  p_index integer default null,
  p_dependant_on uuid default null
)
returns uuid language sql volatile set search_path = '' as $$
  select tests.create_task(
    t.user_id, tests.type_of(p_kind), tests.child_params(p_orchestrator_id::text, p_kind, p_index),
    p_dependant_on => p_dependant_on
  )
  from public.tasks as t
  where t.id = p_orchestrator_id;
$$;

-- Starts a queued task without regard to whose turn it is.
create or replace function tests.start(p_task_id uuid)
returns uuid language sql volatile set search_path = '' as $$
  update public.tasks as t
  set status = 'In Progress', worker_id = 'gpu-' || t.id, lease_token = gen_random_uuid(), attempts = t.attempts + 1,
    claimed_at = fairlane_core.now(), generation_started_at = fairlane_core.now()
  where t.id = p_task_id
    and t.status = 'Queued'
  returning t.id;
$$;

-- Starts and completes a task, as a worker would; its output names it.
create or replace function tests.finish_task(p_task_id uuid)
returns text language plpgsql volatile set search_path = '' as $$
begin
  perform tests.start(p_task_id);
  return tests.answer(format(
    'public.complete_task(tests.service(), %1$L, %2$L, %3$L) ->> ''status''',
    p_task_id, 'https://files/' || p_task_id, 'https://thumbs/' || p_task_id
  ));
end;
$$;

-- Starts and fails a task.
create or replace function tests.fail_child(p_task_id uuid, p_reason text default 'out of memory')
returns void language plpgsql volatile set search_path = '' as $$
begin
  perform tests.start(p_task_id);
  update public.tasks set status = 'Failed', error_message = p_reason where id = p_task_id;
end;
$$;

-- What the update-task-status of a worker does once its children are enqueued.
create or replace function tests.report_enqueued(p_task_id uuid)
returns void language plpgsql volatile set search_path = '' as $$
begin
  perform tests.answer(format(
    'public.update_task_status(tests.service(), %L, ''In Progress'', tests.says_enqueued()) ->> ''status''', p_task_id
  ));
  perform fairlane_core.note_enqueued(p_task_id);
end;
$$;

create or replace function tests.status(p_task_id uuid)
returns text language sql stable set search_path = '' as $$
  select t.status from public.tasks as t where t.id = p_task_id;
$$;

select plan(1);
select has_function('tests', 'create_child', 'The helpers for families are installed');
select * from finish();
