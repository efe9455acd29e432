begin;
select plan(23);

-- SETUP: what a caller with the right lease, with an old one and with none is to see
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
create temporary table cell (state text, lease text, answer text);
insert into cell values
  ('Queued', 'none', 'Queued'),
  ('Queued', 'other', '409 LEASE_LOST'),
  ('Rescued', 'none', 'Queued'),
  ('Rescued', 'last', '409 LEASE_LOST'),
  ('Rescued', 'other', '409 LEASE_LOST'),
  ('In Progress', 'none', 'Queued, changed'),
  ('In Progress', 'last', 'Queued, changed'),
  ('In Progress', 'other', '409 LEASE_LOST'),
  ('Complete', 'none', 'Complete'),
  ('Complete', 'last', 'Complete'),
  ('Complete', 'other', '409 LEASE_LOST'),
  ('Failed', 'none', 'Failed'),
  ('Failed', 'last', 'Failed'),
  ('Failed', 'other', '409 LEASE_LOST'),
  ('Cancelled', 'none', 'Cancelled'),
  ('Cancelled', 'last', '409 ILLEGAL_TRANSITION'),
  ('Cancelled', 'other', '409 LEASE_LOST');

create function pg_temp.try(p_owner uuid, p_state text, p_lease text, p_caller jsonb)
returns text language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in(p_state, p_owner);
  v_lease uuid := (tests.task(v_task_id)).lease_token;
  v_before public.tasks;
  v_answer text;
begin
  if p_state = 'Rescued' then
    -- The lease of the start that was taken back.
    v_lease := gen_random_uuid();
  end if;
  v_before := tests.task(v_task_id);
  v_answer := tests.answer(format(
    'public.mark_task_failed(%L, %L, ''cuda died'', p_lease_token => %L) ->> ''status''',
    p_caller, v_task_id, case p_lease when 'last' then v_lease when 'other' then gen_random_uuid() end
  ));
  return v_answer || case when tests.task(v_task_id) is distinct from v_before then ', changed' else '' end;
end;
$$;

-- TEST: every cell
select is(
  pg_temp.try(:'owner', c.state, c.lease, tests.service()), c.answer,
  format('mark_task_failed() of a task that is %s, with %s lease', c.state, case c.lease when 'none' then 'no' when 'last' then 'its last' else 'another' end)
)
from cell as c;

-- TEST: a token has what it claimed tried again, not what others run; a stranger finds nothing
select is(pg_temp.try(:'owner', 'In Progress', 'none', tests.with_token(:'owner')), 'In Progress', 'What the owner''s token says of another''s start is recorded');
select is(pg_temp.try(:'owner', 'In Progress', 'last', tests.signed_in(:'owner')), 'In Progress', 'So is what the signed-in owner says, who can read the lease');
select tests.with_token(:'owner') as token \gset
select tests.create_task_in('In Progress', :'owner') as own \gset
update public.tasks set token_id = tests.token_id(:'token') where id = :'own';
select is(public.mark_task_failed(:'token', :'own', 'cuda died') ->> 'status', 'Queued', 'The token that holds a task has it tried again');
select tests.create_user() as stranger \gset
select is(
  array_agg(distinct pg_temp.try(:'owner', c.state, c.lease, tests.with_token(:'stranger'))), array['404 TASK_NOT_FOUND'],
  'A stranger finds no task in any state'
)
from cell as c;

-- TEST: a former holder that still beats may only be speaking of its own start
insert into public.workers (id, status, last_heartbeat) values ('gpu-before', 'active', queue.now());
select tests.create_task_in('Rescued', :'owner', p_worker_id => 'gpu-before') as task \gset
update public.tasks
set status = 'In Progress', worker_id = 'gpu-now', lease_token = gen_random_uuid(), attempts = 2
where id = :'task';
select public.mark_task_failed(tests.service(), :'task', 'cuda died');
select is((tests.task(:'task')).status, 'In Progress', 'A failure that may be the former holder''s is only recorded');

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
