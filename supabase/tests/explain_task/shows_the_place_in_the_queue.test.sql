begin;
select plan(25);

-- SETUP: Ana's line, in which priority comes before age
select tests.empty_queue();
create function pg_temp.explain(p_task_id uuid) returns jsonb language sql as $$
  select tests.answer(format('public.explain_task(tests.service(), %L)', p_task_id))::jsonb;
$$;
create function pg_temp.place(p_task_id uuid) returns text language sql as $$
  select concat_ws(' behind ', e -> 'tasks_ahead', e -> 'users_ahead') from pg_temp.explain(p_task_id) as e;
$$;
select tests.create_user() as ana \gset
select tests.create_task(:'ana', p_age => '3 hours', p_priority => -1) as last_of_all \gset
select tests.create_task(:'ana', p_age => '1 hour') as younger \gset
select tests.create_task(:'ana', p_age => '2 hours') as older \gset
select tests.create_task(:'ana', p_priority => 5) as urgent \gset

-- TEST: among its owner's tasks
select is(pg_temp.place(:'urgent'), '0 behind 0', 'The highest priority is first');
select is(pg_temp.place(:'older'), '1 behind 0', 'Then the oldest');
select is(pg_temp.place(:'younger'), '2 behind 0', 'Then the younger one');
select is(pg_temp.place(:'last_of_all'), '3 behind 0', 'A low priority is last, however old');
select is(
  array[pg_temp.explain(:'urgent') ->> 'claimable', pg_temp.explain(:'urgent') ->> 'reason'], array['true', null],
  'Nothing holds it back'
);
select matches(pg_temp.explain(:'urgent') ->> 'remedy', '^Nothing', 'And nothing has to change');
select is(tests.claim('gpu-1'), :'urgent', 'The claim takes the first one');
select is(pg_temp.place(:'older'), '0 behind 0', 'The next one moves up');

-- TEST: other lines of the owner do not stand before it
select tests.create_task(:'ana', 'edit_image', p_priority => 9);
select tests.create_task(:'ana', p_priority => 9) as at_home \gset
update public.tasks set run_type = 'local' where id = :'at_home';
select tests.create_task(:'ana', p_priority => 9, p_dependant_on => :'older');
select is(pg_temp.place(:'older'), '0 behind 0', 'Neither another pool, nor another machine, nor what is blocked counts');
select is(pg_temp.explain(:'at_home') -> 'tasks_ahead', '0', 'Local tasks have a queue of their own');

-- TEST: among users: fewest running first, then longest waiting
select tests.step_clock('1 minute');
select tests.create_user() as ben \gset
select tests.create_task(:'ben') as of_ben \gset
select tests.step_clock('1 minute');
select tests.create_user() as cleo \gset
select tests.create_task(:'cleo') as of_cleo \gset
select is(pg_temp.place(:'of_ben'), '0 behind 0', 'Who runs nothing and waits longest is next');
select is(pg_temp.place(:'of_cleo'), '0 behind 1', 'Who began to wait later comes after');
select is(pg_temp.place(:'older'), '0 behind 2', 'Who runs something comes after those who run nothing');
select is(tests.claim('gpu-2'), :'of_ben', 'The claim serves the user whom nobody is ahead of');

-- TEST: users who may not run now are not ahead
update public.users set credits = 0 where id = :'cleo';
select is(pg_temp.place(:'older'), '0 behind 0', 'A user without credits is not ahead');
select is(pg_temp.explain(:'of_cleo') ->> 'reason', 'no_credits', 'Whose task is held back');
select is(pg_temp.place(:'of_cleo'), '0 behind 0', 'And keeps its place for when credits come');
update public.users set credits = 1 where id = :'cleo';

-- TEST: the fleet's users do not stand before a user's own machine
select is(coalesce((pg_temp.explain(:'at_home') ->> 'users_ahead')::integer, 0), 0, 'Nobody is ahead of a local task');

-- TEST: at the limit the place counts what runs now
update public.users set max_in_progress = 1 where id = :'ana';
select tests.create_task(:'ben') as next_of_ben \gset
select is(pg_temp.explain(:'older') ->> 'reason', 'user_at_limit', 'A user at the limit waits');
select is(pg_temp.explain(:'older') -> 'running', '1', 'explain_task() says how many run');
select is(pg_temp.explain(:'older') -> 'task_limit', '1', 'And how many may');
select is((pg_temp.explain(:'older') ->> 'users_ahead')::integer, 1, 'Only who runs less is ahead of a user at the limit');

-- TEST: a place that the limit leaves is one task's
update public.users set max_in_progress = 2 where id = :'ana';
select is(pg_temp.explain(:'older') ->> 'claimable', 'true', 'One more may run: the next in the queue');
select is(pg_temp.explain(:'younger') ->> 'reason', 'user_at_limit', 'The one behind it waits for that one');
select tests.create_task(:'ana', 'film_orchestrator', p_priority => -5) as journey \gset
select is(pg_temp.explain(:'journey') ->> 'claimable', 'true', 'Orchestration has slots of its own');

select * from finish();
rollback;
