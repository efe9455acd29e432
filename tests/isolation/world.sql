-- What every specification of the interleavings begins with: one user's small world, and what can happen to it.
drop schema if exists isolation cascade;
create schema isolation;

-- What the sessions were told, kept only if their transaction was committed.
create table isolation.replies (
  id bigint generated always as identity,
  session text not null,
  reply jsonb
);

-- Limits of the user, each from an event on.
create table isolation.limits (
  after_event bigint not null,
  task_limit integer not null
);

create function isolation.id(p_label text)
returns uuid
language sql
immutable
as $$
  select md5(p_label)::uuid
$$;

-- The owner with a limit of 4 and, in this order:
--   waiting  Queued, depends on running and other
--   running  In Progress, held by an-old-worker
--   other    In Progress, held by another-worker
--   rescued  Queued, was started once; first in line
--   ready    Queued
create function isolation.prepare()
returns void
language plpgsql
as $$
declare
  v_owner uuid := isolation.id('owner');
begin
  delete from isolation.replies where true;
  delete from isolation.limits where true;
  delete from public.users where true;
  delete from public.task_events where true;
  -- Whoever waits waits until the other one ends, unless it hurries.
  update fairlane_core.settings
  set clock_offset = interval '0', max_lock_wait = interval '2 seconds', max_report_wait = interval '2 seconds'
  where true;

  insert into public.users (id, credits, max_in_progress) values (v_owner, 1, 4);
  insert into public.projects (id, user_id) values (v_owner, v_owner);
  insert into public.user_api_tokens (id, user_id, token_hash) values (v_owner, v_owner, repeat('0', 64));
  insert into isolation.limits values (0, 4);

  insert into public.tasks (id, task_type, project_id, dependant_on, priority)
  values
    (isolation.id('waiting'), 'clip', v_owner, isolation.id('running'), 0),
    (isolation.id('running'), 'clip', v_owner, null, 0),
    (isolation.id('other'), 'clip', v_owner, null, 0),
    (isolation.id('rescued'), 'clip', v_owner, null, 10),
    (isolation.id('ready'), 'clip', v_owner, null, 5);
  insert into fairlane_core.task_dependencies values (isolation.id('waiting'), isolation.id('other'));

  update public.tasks
  set status = 'In Progress',
    worker_id = case id when isolation.id('other') then 'another-worker' else 'an-old-worker' end,
    lease_token = id,
    attempts = 1,
    claimed_at = fairlane_core.now(),
    generation_started_at = fairlane_core.now()
  where id in (isolation.id('running'), isolation.id('other'), isolation.id('rescued'));
  update public.tasks set status = 'Queued' where id = isolation.id('rescued');
end;
$$;

-- A running parent (3), a task beside it (2) and its dependent (1), in the order of their ids.
create function isolation.insert_family()
returns void
language sql
as $$
  insert into public.tasks (id, task_type, project_id, dependant_on)
  select
    ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'clip', isolation.id('owner'),
    case when n = 1 then '00000000-0000-0000-0000-000000000003'::uuid end
  from generate_series(1, 3) as n;

  update public.tasks
  set status = 'In Progress', worker_id = 'parents-worker', lease_token = id, attempts = 1, claimed_at = fairlane_core.now()
  where id = '00000000-0000-0000-0000-000000000003';
$$;

-- Remembers what a session was told.
create function isolation.told(p_session text, p_reply json)
returns text
language sql
as $$
  insert into isolation.replies (session, reply) values (p_session, p_reply)
  returning coalesce(reply ->> 'status', case when reply is null then 'nothing' else 'a task' end)
$$;

-- A claim's answer. One that passed over somebody whom the other session holds has not been told of nothing.
create function isolation.told_by_claim(p_session text, p_reply json)
returns text
language sql
as $$
  select isolation.told(
    p_session,
    case when p_reply is null and current_setting('response.headers', true) like '%passed-over%'
      then '{"passed_over": true}' else p_reply
    end
  )
$$;

create function isolation.claim(p_session text, p_claim_id text default null)
returns text
language sql
as $$
  select isolation.told_by_claim(
    p_session, public.claim_next_task('{"kind":"service"}', p_session, p_claim_id => p_claim_id)
  )
$$;

create function isolation.claim_at_home(p_session text)
returns text
language sql
as $$
  select isolation.told_by_claim(
    p_session,
    public.claim_next_task(jsonb_build_object('kind', 'token', 'hash', repeat('0', 64)), p_session)
  )
$$;

create function isolation.complete(p_session text, p_label text)
returns text
language sql
as $$
  select isolation.told(
    p_session,
    public.complete_task('{"kind":"service"}', isolation.id(p_label), 'https://files.test/' || p_session)
  )
$$;

create function isolation.report(p_session text, p_label text, p_status text)
returns text
language sql
as $$
  select isolation.told(
    p_session,
    public.update_task_status('{"kind":"service"}', isolation.id(p_label), p_status, p_error_message => p_session)
  )
$$;

-- As deployed clients do it, with ids that they read earlier.
create function isolation.patch(p_status text, variadic p_labels text[])
returns void
language sql
as $$
  update public.tasks
  set status = p_status, error_message = 'Reset - orphaned from failed worker'
  where id in (select isolation.id(l) from unnest(p_labels) as l)
$$;

create function isolation.insert_dependant(p_label text, p_depends_on text)
returns void
language sql
as $$
  insert into public.tasks (id, task_type, project_id, dependant_on)
  values (isolation.id(p_label), 'clip', isolation.id('owner'), isolation.id(p_depends_on))
$$;

-- The new limit holds from the event on that was the last one under the user's lock.
create function isolation.set_limit(p_limit integer)
returns void
language plpgsql
as $$
begin
  update public.users set max_in_progress = p_limit where id = isolation.id('owner');
  insert into isolation.limits
  select coalesce(max(e.id), 0), p_limit from public.task_events as e where e.user_id = isolation.id('owner');
end;
$$;
