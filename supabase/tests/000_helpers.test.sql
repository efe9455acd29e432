-- Factories and roles for every other test, in schema `tests`. Unlike the others this file commits: it sorts
-- first, and each later file runs in a transaction of its own that is rolled back.
set client_min_messages = warning;

create extension if not exists pgtap with schema extensions;

drop schema if exists tests cascade;
create schema tests;

comment on schema tests is 'Factories for tests; never part of a deployed database.';

grant usage on schema tests to anon, authenticated, service_role;

-- A user who may run cloud and local work.
create function tests.create_user(
  p_credits numeric default 100,
  p_settings jsonb default '{}',
  p_max_in_progress integer default null
)
returns uuid language sql volatile set search_path = '' as $$
  insert into public.users (id, credits, settings, max_in_progress)
  values (gen_random_uuid(), p_credits, p_settings, p_max_in_progress)
  returning id;
$$;

-- A project of the user.
create function tests.create_project(p_user_id uuid)
returns uuid language sql volatile set search_path = '' as $$
  insert into public.projects (user_id, name)
  values (p_user_id, 'Project of a test')
  returning id;
$$;

-- A queued task of the user, in the user's first project; p_age back-dates it.
create function tests.create_task(
  p_user_id uuid,
  p_task_type text default 'clip',
  p_params jsonb default '{}',
  p_age interval default '0',
  p_dependant_on uuid default null,
  p_priority integer default 0
)
returns uuid language plpgsql volatile set search_path = '' as $$
declare
  v_project_id uuid;
  v_task_id uuid;
begin
  select p.id into v_project_id
  from public.projects as p
  where p.user_id = p_user_id
  order by p.created_at, p.id
  limit 1;

  insert into public.tasks (task_type, params, project_id, created_at, dependant_on, priority)
  values (
    p_task_type, p_params, coalesce(v_project_id, tests.create_project(p_user_id)),
    fairlane_core.now() - p_age, p_dependant_on, p_priority
  )
  returning id into v_task_id;

  return v_task_id;
end;
$$;

-- Moves the queue's clock, and with it every deadline; rolled back with the test.
create function tests.step_clock(p_by interval)
returns void language sql volatile set search_path = '' as $$
  update fairlane_core.settings set clock_offset = clock_offset + p_by;
$$;

-- From here on, statements run as a request of this signed-in user.
create function tests.authenticate_as(p_user_id uuid)
returns void language plpgsql volatile set search_path = '' as $$
begin
  perform
    set_config(
      'request.jwt.claims',
      json_build_object('role', 'authenticated', 'sub', p_user_id)::text,
      true
    ),
    set_config('role', 'authenticated', true);
end;
$$;

-- From here on, statements run as a request of this role (anon, authenticated, service_role), or of this signed-in
-- user when it is the text of a user's id.
create function tests.authenticate_as(p_who text)
returns void language plpgsql volatile set search_path = '' as $$
begin
  if p_who not in ('anon', 'authenticated', 'service_role') then
    perform tests.authenticate_as(p_who::uuid);
    return;
  end if;

  perform
    set_config('request.jwt.claims', json_build_object('role', p_who)::text, true),
    set_config('role', p_who, true);
end;
$$;

-- Back to the owner of the database.
create function tests.clear_authentication()
returns void language plpgsql volatile set search_path = '' as $$
begin
  perform
    set_config('request.jwt.claims', '', true),
    set_config('role', 'none', true);
end;
$$;

select plan(1);
select has_schema('tests', 'The helpers are installed');
select * from finish();
