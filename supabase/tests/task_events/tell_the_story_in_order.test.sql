begin;
select plan(8);

-- SETUP: a task that is enqueued by its owner, started, reset, started, released, started and completed twice
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_project(:'owner') as project \gset
select tests.authenticate_as(:'owner');
insert into public.tasks (task_type, project_id) values ('clip', :'project') returning id as task \gset
select tests.clear_authentication();
select tests.claim('gpu-1');
select tests.authenticate_as('service_role');
update public.tasks set status = 'Queued', worker_id = null, error_message = 'Reset - orphaned from failed worker' where id = :'task';
select tests.clear_authentication();
select tests.with_token(:'owner') as token \gset
select tests.claim('mac', 'gpu', null, :'token');
select public.update_task_status(:'token', :'task', 'In Progress', 'halfway');
select public.update_task_status(:'token', :'task', 'Queued', p_error_message => 'going to sleep');
select tests.claim('gpu-3');
select public.complete_task(tests.service(), :'task', 'https://files/a.mp4');
select public.update_task_status(tests.signed_in(:'owner'), :'task', 'Failed', 'I do not like it');

-- TEST: every change of state, in order, with who did it
select 'token:' || tests.token_id(:'token') as token_name \gset
select results_eq(
  format('select from_status, to_status, worker_id, attempt, actor, reason from public.task_events where task_id = %L order by id', :'task'),
  format(
    $$
      values
        (null::text, 'Queued'::text, null::text, 0, %2$L, 'created'::text),
        ('Queued', 'In Progress', 'gpu-1', 1, 'service', null),
        ('In Progress', 'Queued', 'gpu-1', 1, 'service_role', 'Reset - orphaned from failed worker'),
        ('Queued', 'In Progress', %1$L || ':mac', 2, %1$L, null),
        ('In Progress', 'Queued', %1$L || ':mac', 2, %1$L, 'going to sleep'),
        ('Queued', 'In Progress', 'gpu-3', 2, 'service', null),
        ('In Progress', 'Complete', 'gpu-3', 2, 'service', null),
        ('Complete', 'Complete', 'gpu-3', 2, %2$L, 'failure reported, not applied: I do not like it')
    $$,
    :'token_name', 'user:' || :'owner'
  ),
  'The history tells what happened, in order'
);
select is(
  (select count(distinct e.user_id)::integer from public.task_events as e where e.task_id = :'task' and e.user_id = :'owner'), 1,
  'All of it belongs to the owner'
);
select is(
  array(select e.id from public.task_events as e where e.task_id = :'task' order by e.at, e.id),
  array(select e.id from public.task_events as e where e.task_id = :'task' order by e.id), 'Its times agree with its order'
);

-- TEST: what one call said about itself is not said of the next change
select tests.create_task(:'owner') as next \gset
select is(
  (select e.actor from public.task_events as e where e.task_id = :'next'), session_user::text,
  'A change after a call is not put down to that call''s caller'
);

-- TEST: a lost reply is no start, a crash is one
select tests.claim('gpu-4');
select tests.claim('gpu-4');
select public.update_task_status(tests.service(), :'next', 'In Progress');
select tests.claim('gpu-4');
select results_eq(
  format('select from_status, to_status, attempt, actor from public.task_events where task_id = %L order by id offset 1', :'next'),
  $$
    values
      ('Queued'::text, 'In Progress'::text, 1, 'service'::text),
      ('In Progress', 'In Progress', 1, 'service'),
      ('In Progress', 'In Progress', 2, 'service')
  $$,
  'A lost reply is the same attempt, a second start by the same worker is the next'
);

-- TEST: append only, and it outlives its task
delete from public.tasks where id = :'next';
select is(
  (select e.reason from public.task_events as e where e.task_id = :'next' order by e.id desc limit 1), 'deleted', 'A deleted task leaves its history'
);
select tests.authenticate_as('service_role');
select throws_ok('delete from public.task_events', '42501', null, 'Nobody deletes history');
select throws_ok($$ update public.task_events set reason = 'nothing happened' $$, '42501', null, 'Nobody rewrites it');
select tests.clear_authentication();

select * from finish();
rollback;
