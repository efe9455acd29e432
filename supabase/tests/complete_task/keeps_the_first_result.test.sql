begin;
select plan(11);

-- SETUP: completed once; the reply was lost
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task_in('In Progress', :'owner') as task \gset
select lease_token as lease from public.tasks where id = :'task' \gset
select public.complete_task(tests.service(), :'task', 'https://files/a.mp4', p_lease_token => :'lease') as first \gset
create temporary table before as select * from public.tasks;
select tests.step_clock('1 minute');

-- TEST: the same again, then something else
select is(
  public.complete_task(tests.service(), :'task', 'https://files/a.mp4', p_lease_token => :'lease')::text,
  :'first', 'A repeat answers what is stored, also with the token that finished it'
);
select is(
  public.complete_task(tests.service(), :'task', 'https://foreign/b.mp4', 'https://foreign/b.jpg', '{"other": 1}')::text,
  :'first', 'Another result answers the first one'
);
select is(
  public.complete_task(tests.service(), :'task')::text, :'first', 'No result answers the first one'
);
select is(
  public.update_task_status(tests.service(), :'task', 'Complete', 'https://foreign/c.mp4')::text,
  :'first', 'The other endpoint answers the first one'
);

-- TEST: nothing has changed
select set_eq('select * from public.tasks', 'select * from before', 'Repeats change no column of the task');
select is((select count(*)::integer from public.generations), 1, 'There is one generation');
select is((select g.location from public.generations as g), 'https://files/a.mp4', 'With the first location');
select is(
  (select count(*)::integer from public.task_events where task_id = :'task' and to_status = 'Complete' and from_status = 'In Progress'), 1,
  'There is one completion in the history'
);
select is(
  (select count(*)::integer from public.task_events where task_id = :'task' and to_status = 'Complete' and from_status = 'Complete'), 4,
  'And a note of every repeat'
);

-- TEST: a completion without an output is a result too: nobody gives the task another one afterwards
select tests.create_task_in('In Progress', :'owner') as bare \gset
select public.complete_task(tests.service(), :'bare');
select public.complete_task(tests.service(), :'bare', 'https://files/late.mp4');
select is((tests.task(:'bare')).output_location, null, 'A late output changes nothing');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
