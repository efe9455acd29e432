begin;
select plan(22);

-- SETUP: an owner with one slot, an orchestrator whose type has no row, and a task whose type only mentions the word
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 2) as owner \gset
update public.users set max_orchestrating = 1 where id = :'owner';
select tests.create_task(:'owner', 'score_film_orchestrator', p_age => '3 hours') as orchestrator \gset
select is((tests.task(:'orchestrator')).takes_slot, false, 'A type whose name ends in _orchestrator is orchestration without a row');
select is((tests.task(:'orchestrator')).pool, 'gpu', 'For gpu workers');
select tests.create_task(:'owner', n.name, p_dependant_on => :'orchestrator')
from unnest('{orchestrator,orchestrator_of_films,film_Orchestrator}'::text[]) as n (name);
select ok(bool_and(t.takes_slot), 'The word elsewhere in a name says nothing')
from public.tasks as t
where t.dependant_on = :'orchestrator';
delete from public.tasks where dependant_on = :'orchestrator';

-- TEST: a worker that has enqueued its children and claims on gets these
select is(tests.claim('gpu-1'), :'orchestrator', 'It is handed out');
select tests.create_child(:'orchestrator', 'merge', 0) as child \gset
select tests.report_enqueued(:'orchestrator');
select is(tests.claim('gpu-1'), :'child', 'Its worker is then given a child, not the orchestrator again');
select is((tests.task(:'orchestrator')).attempts, 1, 'It was started once');
select is(
  tests.counts() #> '{global_task_breakdown,orchestrator_tasks}', '1', 'It is counted as an orchestrator, not as active work'
);
select is(tests.counts() #> '{totals,active_only}', '1', 'Active work is the child alone');

-- TEST: it has a place, not a slot
select tests.create_orchestrator(:'owner', null, 'score_film_orchestrator') as working \gset
select tests.create_task(:'owner', 'score_film_orchestrator', p_priority => 5) as waiting \gset
select is(tests.answer(format('public.explain_task(tests.service(), %L) ->> ''reason''', :'waiting')), 'user_at_limit', 'Without a slot it waits');
select is(tests.counts() -> 'blocked', '{"user_at_limit": 1}', 'And is counted so');
select tests.create_task(:'owner') as plain \gset
select is(tests.claim('gpu-2'), :'plain', 'The queue goes on behind it');
select tests.finish_task(:'plain'), tests.finish_task(:'child');
select is(tests.status(:'orchestrator'), 'Complete', 'It ends with its children');
delete from public.tasks where id in (:'working', :'waiting');

-- TEST: a row that comes says otherwise, for what waits and what runs; when it goes, the name counts again
select tests.create_task(:'owner', 'score_film_orchestrator') as queued \gset
select tests.create_orchestrator(:'owner', null, 'score_film_orchestrator') as running \gset
select is_empty('select * from tests.drift()', 'The counters are what a recount says');
insert into public.task_types (name, category) values ('score_film_orchestrator', 'processing');
select is(
  array[(tests.task(:'queued')).takes_slot, (tests.task(:'running')).takes_slot], '{t,f}'::boolean[],
  'With a row that says processing they take slots, a running one when it is requeued'
);
select is_empty('select * from tests.drift()', 'Also in the counters');
delete from public.task_types where name = 'score_film_orchestrator';
select is(
  array[(tests.task(:'queued')).takes_slot, (tests.task(:'running')).takes_slot], '{f,f}'::boolean[],
  'Without it they are orchestration again'
);
select is_empty('select * from tests.drift()', 'And so for the counters');
update public.tasks set task_type = 'score_film' where id = :'queued';
select is((tests.task(:'queued')).takes_slot, true, 'A task that is given another type is what that name says');
update public.tasks set task_type = 'score_film_orchestrator' where id = :'queued';
select is((tests.task(:'queued')).takes_slot, false, 'And back');

-- TEST: while many are still to follow
delete from public.tasks where id = :'running';
select tests.create_task(:'owner', 'dub_orchestrator') from generate_series(1, 120);
insert into public.task_types (name, category) values ('dub_orchestrator', 'processing');
delete from public.task_types where name = 'dub_orchestrator';
select ok(
  not fairlane_core.is_behind_its_type(t.task_type, t.pool, t.takes_slot, t.runs_on_own_gpu, t.readiness), 'A row that came and went leaves nothing behind'
)
from public.tasks as t
where t.task_type = 'dub_orchestrator'
limit 1;
select is(tests.claimable(), 1, 'Counts say what claims hand out meanwhile: one slot');
select fairlane_core.settle_deferred(1000) from generate_series(1, 3);
select is_empty('select * from tests.drift()', 'And in the end all is as it was');

select * from finish();
rollback;
