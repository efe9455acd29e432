-- What the tests of the queue's behaviour share: calls as the edge functions make them, tasks in a given state, and
-- the recount of every derived counter. Commits, like the helpers before it.
set client_min_messages = warning;

-- An empty queue, also in a database with demo data; rolled back with the test.
create or replace function tests.empty_queue()
returns void language sql volatile set search_path = '' as $$
  delete from public.users;
  delete from public.tasks;
  delete from public.workers;
  -- However far a test moves the clock, no job is late and no claim does its work.
  update fairlane_core.job_runs set period = interval '1000 years';
  -- A rescue of some time ago is no gap.
  update fairlane_core.clock_watch
  set looked_at = null, is_steady = false, trusted_since = '-infinity', set_back_at = null, set_back_until = null;
$$;

-- Who calls, in the words of the edge functions.
create or replace function tests.service()
returns jsonb language sql immutable set search_path = '' as $$
  select '{"kind": "service"}'::jsonb;
$$;

create or replace function tests.signed_in(p_user_id uuid)
returns jsonb language sql immutable set search_path = '' as $$
  select jsonb_build_object('kind', 'user', 'user_id', p_user_id);
$$;

-- A new personal token of the user, as a caller.
create or replace function tests.with_token(p_user_id uuid, p_expires_at timestamptz default null)
returns jsonb language sql volatile set search_path = '' as $$
  insert into public.user_api_tokens (user_id, token_hash, expires_at)
  values (p_user_id, encode(sha256(gen_random_uuid()::text::bytea), 'hex'), p_expires_at)
  returning jsonb_build_object('kind', 'token', 'hash', token_hash);
$$;

-- The id of the token behind such a caller.
create or replace function tests.token_id(p_caller jsonb)
returns uuid language sql stable set search_path = '' as $$
  select k.id from public.user_api_tokens as k where k.token_hash = p_caller ->> 'hash';
$$;

-- A claim, with the rights the edge function has; the task's id, null for nothing. The clock moves on between claims,
-- as it does between requests.
create or replace function tests.claim(
  p_worker_id text,
  p_run_type text default 'gpu',
  p_claim_id text default null,
  p_caller jsonb default tests.service()
)
returns uuid language plpgsql volatile set search_path = '' as $$
declare
  v_reply json;
begin
  perform tests.step_clock('1 second');
  set local role service_role;
  v_reply := public.claim_next_task(p_caller, p_worker_id, p_run_type, p_claim_id);
  reset role;
  return v_reply ->> 'task_id';
end;
$$;

-- Claims with one worker id after another until nothing is left or p_at_most were handed out; the tasks in order.
create or replace function tests.claim_many(
  p_at_most integer,
  p_run_type text default 'gpu',
  p_caller jsonb default tests.service()
)
returns uuid[] language plpgsql volatile set search_path = '' as $$
declare
  v_claimed uuid[] := '{}';
  v_task_id uuid;
begin
  for v_turn in 1..p_at_most loop
    v_task_id := tests.claim('worker-' || gen_random_uuid(), p_run_type, null, p_caller);
    exit when v_task_id is null;
    v_claimed := v_claimed || v_task_id;
  end loop;
  return v_claimed;
end;
$$;

-- The counts, with the rights the edge function has.
create or replace function tests.counts(
  p_run_type text default 'gpu',
  p_include_active boolean default true,
  p_caller jsonb default tests.service()
)
returns jsonb language plpgsql volatile set search_path = '' as $$
declare
  v_counts jsonb;
begin
  set local role service_role;
  v_counts := public.task_counts(p_caller, p_run_type, p_include_active);
  reset role;
  return v_counts;
end;
$$;

-- How many the counts say could be claimed now.
create or replace function tests.claimable(p_run_type text default 'gpu', p_caller jsonb default tests.service())
returns integer language sql volatile set search_path = '' as $$
  select (tests.counts(p_run_type, false, p_caller) #>> '{totals,queued_only}')::integer;
$$;

-- Runs a call with the rights the edge function has: what it answers, or "409 LEASE_LOST" when it refuses.
create or replace function tests.answer(p_call text)
returns text language plpgsql volatile set search_path = '' as $$
declare
  v_answer text;
  v_state text;
  v_detail text;
begin
  set local role service_role;
  execute 'select ' || p_call into v_answer;
  reset role;
  return v_answer;
exception when others then
  get stacked diagnostics v_state = returned_sqlstate, v_detail = pg_exception_detail;
  if v_state !~ '^PT\d{3}$' then
    raise;
  end if;
  return substr(v_state, 3) || ' ' || v_detail;
end;
$$;

-- A task as it is now.
create or replace function tests.task(p_task_id uuid)
returns public.tasks language sql stable set search_path = '' as $$
  select t.* from public.tasks as t where t.id = p_task_id;
$$;

-- The state of the task as one word; Rescued is Queued again after a start.
create or replace function tests.create_task_in(
  p_state text,
  p_user_id uuid,
  p_task_type text default 'clip',
  p_worker_id text default 'gpu-holder',
  p_attempts integer default 1,
  p_params jsonb default '{}'
)
returns uuid language plpgsql volatile set search_path = '' as $$
declare
  v_task_id uuid := tests.create_task(p_user_id, p_task_type, p_params);
begin
  if p_state = 'Queued' then
    return v_task_id;
  end if;

  -- Started as a claim does it, without regard to whose turn it is.
  update public.tasks
  set status = 'In Progress', worker_id = p_worker_id, lease_token = gen_random_uuid(), attempts = p_attempts,
    claimed_at = fairlane_core.now(), generation_started_at = fairlane_core.now()
  where id = v_task_id;

  update public.tasks
  set status = case p_state when 'Rescued' then 'Queued' else p_state end,
    error_message = case p_state when 'Failed' then 'first reason' end,
    output_location = case p_state when 'Complete' then 'https://files/first.mp4' end
  where id = v_task_id
    and p_state <> 'In Progress';

  return v_task_id;
end;
$$;

select plan(1);
select has_function('tests', 'create_task_in', 'The helpers for the queue are installed');
select * from finish();
