begin;
select plan(11);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
select tests.create_task_in('In Progress', :'owner') as task \gset
select tests.create_task(:'owner', p_dependant_on => :'task') as dependent \gset
select tests.authenticate_as('service_role');

-- TEST: Complete by PATCH is a completion like any other
update public.tasks set status = 'Complete', output_location = 'https://files/a.mp4' where id = :'task';
select is((select g.location from public.generations as g where g.task_id = :'task'), 'https://files/a.mp4', 'Its generation is recorded');
select ok((tests.task(:'task')).generation_created, 'The task says so');
select isnt((tests.task(:'task')).generation_processed_at, null, 'It says when it was completed');
select is((tests.task(:'dependent')).readiness, 'ready', 'What waited for it is ready');

-- TEST: twice is once
update public.tasks set status = 'Complete', output_location = 'https://files/b.mp4' where id = :'task';
select is((tests.task(:'task')).output_location, 'https://files/a.mp4', 'A second PATCH keeps the first output');
select is((select count(*)::integer from public.generations), 1, 'There is one generation');

-- TEST: the task and its generation never name different results
select tests.clear_authentication();
select tests.create_task_in('In Progress', :'owner') as bare \gset
select public.complete_task(tests.service(), :'bare');
select tests.authenticate_as('service_role');
update public.tasks set status = 'Complete', output_location = 'https://files/late.mp4' where id = :'bare';
update public.tasks set output_location = 'https://files/later.mp4', thumbnail_url = 'https://files/other.jpg' where id in (:'bare', :'task');
select tests.clear_authentication();
select is_empty(
  $$
    select t.id, t.output_location, g.location, t.thumbnail_url, g.thumbnail_url
    from public.tasks as t
      join public.generations as g on g.task_id = t.id
    where (t.output_location, t.thumbnail_url) is distinct from (g.location, g.thumbnail_url)
  $$,
  'A PATCH after completion does not make task and generation differ'
);

-- TEST: a progress text is no result
select tests.create_task_in('In Progress', :'owner') as talkative \gset
select public.update_task_status(tests.service(), :'talkative', 'In Progress', 'Step 3 of 6');
select tests.authenticate_as('service_role');
update public.tasks set status = 'Complete' where id = :'talkative';
select tests.clear_authentication();
select is(
  (select g.location from public.generations as g where g.task_id = :'talkative'), null, 'A progress text does not become the result'
);

-- TEST: no type that creates none gets one
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator') as orchestrator \gset
select tests.authenticate_as('service_role');
update public.tasks set status = 'Complete' where id = :'orchestrator';
select tests.clear_authentication();
select is((select count(*)::integer from public.generations as g where g.task_id = :'orchestrator'), 0, 'An orchestrator gets none');
select ok(not (tests.task(:'orchestrator')).generation_created, 'And says so');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
