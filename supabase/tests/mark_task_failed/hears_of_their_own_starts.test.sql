begin;
select plan(4);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.with_token(:'owner') as token \gset

-- TEST: a token has what it claimed tried again, not what others run
select tests.create_task_in('In Progress', :'owner') as own \gset
update public.tasks set token_id = tests.token_id(:'token') where id = :'own';
select is(public.mark_task_failed(:'token', :'own', 'cuda died') ->> 'status', 'Queued', 'The token that holds a task has it tried again');
select tests.create_task_in('In Progress', :'owner') as task \gset
select is(
  public.mark_task_failed(tests.signed_in(:'owner'), :'task', 'cuda died', p_lease_token => (tests.task(:'task')).lease_token) ->> 'status',
  'In Progress', 'What the signed-in owner says, who can read the lease, is recorded'
);

-- TEST: a former holder that still beats may only be speaking of its own start
insert into public.workers (id, status, last_heartbeat) values ('gpu-before', 'active', fairlane_core.now());
select tests.create_task_in('Rescued', :'owner', p_worker_id => 'gpu-before') as rescued \gset
update public.tasks
set status = 'In Progress', worker_id = 'gpu-now', lease_token = gen_random_uuid(), attempts = 2
where id = :'rescued';
select public.mark_task_failed(tests.service(), :'rescued', 'cuda died');
select is((tests.task(:'rescued')).status, 'In Progress', 'A failure that may be the former holder''s is only recorded');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
