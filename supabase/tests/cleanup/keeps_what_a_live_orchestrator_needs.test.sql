begin;
select plan(4);

-- SETUP: a guest's queue, where children go on without their orchestrator; an old task that nobody started; what waits for it is old, too, but a child of an orchestrator that runs
select tests.empty_queue();
update fairlane_core.settings set fails_siblings = false;
select tests.create_user(p_max_in_progress => 10) as owner \gset
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator') as parent \gset
select tests.create_task(:'owner', p_age => '8 days') as old_task \gset
select tests.create_task(
  :'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'parent'::text), p_age => '8 days', p_dependant_on => :'old_task'
) as child \gset

-- TEST: neither goes while the parent lives, which would not go along
select fairlane_core.sweep();
select fairlane_core.cleanup();
select is(tests.status(:'old_task'), 'Queued', 'What the child of a live orchestrator waits for is left');
select is(tests.status(:'child'), 'Queued', 'And so is the child');

-- TEST: with the parent they go
update public.tasks set status = 'Failed', error_message = 'broken' where id = :'parent';
select fairlane_core.cleanup();
select is(tests.status(:'old_task'), 'Cancelled', 'When the orchestrator has ended, nothing holds them');
select is(tests.status(:'child'), 'Cancelled', 'Neither of them');

select * from finish();
rollback;
