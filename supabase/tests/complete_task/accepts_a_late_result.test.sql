begin;
select plan(13);

-- SETUP: the first worker was taken for dead; its task is waiting again
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task_in('Rescued', :'owner') as waiting \gset

-- TEST: the result of a task that waits again is welcome
select is(
  tests.answer(format('public.complete_task(%L, %L, ''https://files/late.mp4'') ->> ''status''', tests.service(), :'waiting')),
  'Complete', 'A task that was rescued can be completed by whoever had it'
);
select matches(
  (select e.reason from public.task_events as e where e.task_id = :'waiting' order by e.id desc limit 1), 'late', 'The history says that it came late'
);
select is((select count(*)::integer from public.generations), 1, 'With its generation');
select is(tests.claim('gpu-2'), null, 'Nobody gets it any more');

-- TEST: the result of a task that somebody else runs by now: the first one wins, whoever sent it
select tests.create_task_in('Rescued', :'owner', p_worker_id => 'gpu-old') as second \gset
select tests.claim('gpu-new');
select lease_token as lease from public.tasks where id = :'second' \gset
select is(
  tests.answer(format('public.complete_task(%L, %L, ''https://files/old.mp4'') ->> ''output_location''', tests.service(), :'second')),
  'https://files/old.mp4', 'Without a token the first completion wins'
);
select is(
  tests.answer(format('public.complete_task(%L, %L, ''https://files/new.mp4'') ->> ''output_location''', tests.service(), :'second')),
  'https://files/old.mp4', 'The other worker gets what is stored'
);
select is(
  tests.answer(format('public.complete_task(%L, %L, ''https://files/new.mp4'', p_lease_token => %L) ->> ''output_location''', tests.service(), :'second', :'lease')),
  'https://files/old.mp4', 'Also when it names its lease'
);

-- TEST: what a token of the owner said of it meanwhile, to no effect, does not make it that token's
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-old') as spoken_of \gset
select tests.with_token(:'owner') as token \gset
select fairlane_core.record_report(tests.task(:'spoken_of'), fairlane_core.resolve_caller(:'token', array['token']), 'told again');
update public.tasks set status = 'Queued' where id = :'spoken_of';
select public.complete_task(tests.service(), :'spoken_of', 'https://files/spoken.mp4');
select is(
  (select (t.worker_id, t.token_id) from public.tasks as t where t.id = :'spoken_of'), ('gpu-old'::text, null::uuid),
  'It is recorded as its worker''s, whatever a token has reported'
);

-- TEST: with a token, only the last lease counts
select tests.create_task_in('In Progress', :'owner', p_worker_id => 'gpu-old') as third \gset
select lease_token as old_lease from public.tasks where id = :'third' \gset
update public.tasks set status = 'Queued' where id = :'third';
select is(tests.claim('gpu-new'), :'third', 'Another worker has it');
select is(
  tests.answer(format('public.complete_task(%L, %L, ''https://files/old.mp4'', p_lease_token => %L)', tests.service(), :'third', :'old_lease')),
  '409 LEASE_LOST', 'The old lease is refused'
);
select is((tests.task(:'third')).status, 'In Progress', 'And changes nothing');
select is(
  (select count(*)::integer from public.generations as g where g.task_id = :'third'), 0, 'Not even a generation'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
