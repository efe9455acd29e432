begin;
select plan(25);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
create function pg_temp.cleanup(p_dry_run boolean default false) returns jsonb language plpgsql as $$
declare
  v_reply jsonb;
begin
  set local role service_role;
  perform fairlane_core.sweep();
  v_reply := fairlane_core.cleanup(1000, p_dry_run);
  reset role;
  return v_reply;
end;
$$;

-- TEST: by age, to the microsecond
select tests.create_task(:'owner', p_age => '7 days') as in_time \gset
select tests.create_task(:'owner', p_age => '7 days 0.000001 seconds') as too_old \gset
select is(jsonb_array_length(pg_temp.cleanup(true) -> 'due'), 1, 'A dry run lists the one that is due');
select is((tests.task(:'too_old')).status, 'Queued', 'And changes nothing');
select is(pg_temp.cleanup() ->> 'cancelled', '1', 'One is cancelled');
select is((tests.task(:'in_time')).status, 'Queued', 'Not the one that is just seven days old');
select matches((tests.task(:'too_old')).error_message, 'Cancelled by the cleanup: enqueued .*, never started \(stale\)', 'It says why');
select is(pg_temp.cleanup() ->> 'cancelled', '0', 'A second run finds nothing');

-- TEST: whatever else it waits for
select tests.create_task(:'owner', 'switched_off', p_age => '8 days') as inactive \gset
insert into public.task_types (name, is_active) values ('switched_off', false);
select tests.create_task(:'owner', p_age => '8 days') as unowned \gset
update public.tasks set user_id = null, project_id = null where id = :'unowned';
select tests.create_task(:'owner', p_age => '8 days') as no_run_type \gset
update public.tasks set run_type = null where id = :'no_run_type';
select tests.create_task(:'owner', p_age => '8 days') as scheduled \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 day' where id = :'scheduled';
select pg_temp.cleanup();
select is((tests.task(:'inactive')).status, 'Cancelled', 'A task of a type that is switched off');
select is((tests.task(:'unowned')).status, 'Cancelled', 'A task without an owner');
select is((tests.task(:'no_run_type')).status, 'Cancelled', 'A task without a run type');
select is((tests.task(:'scheduled')).status, 'Queued', 'But not one that is to run later');

-- TEST: what was ever started is left
select tests.create_task_in('Rescued', :'owner') as rescued \gset
update public.tasks set created_at = fairlane_core.now() - interval '30 days' where id = :'rescued';
select pg_temp.cleanup();
select is((tests.task(:'rescued')).status, 'Queued', 'A task that was started once is left');

-- TEST: family
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator') as parent \gset
select tests.create_task(:'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'parent'), p_age => '8 days') as child \gset
select tests.create_task(:'owner', p_age => '8 days') as old_dependency \gset
select tests.create_task(:'owner', p_age => '1 day', p_dependant_on => :'old_dependency') as fresh_dependant \gset
select tests.create_task(:'owner', p_age => '9 days') as old_first \gset
select tests.create_task(:'owner', p_age => '9 days', p_dependant_on => :'old_first') as old_second \gset
select tests.create_task(:'owner', p_age => '8 days', p_task_type => 'film_orchestrator') as old_parent \gset
select tests.create_task(:'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'old_parent'), p_age => '8 days') as old_child \gset
select jsonb_object_agg(d.due ->> 'task_id', d.due ->> 'reason') as listed
from (select jsonb_array_elements(pg_temp.cleanup(true) -> 'due') as due) as d \gset
select is((select count(*)::integer from jsonb_object_keys(:'listed')), 4, 'A dry run lists what would go, also along');
select matches(:'listed'::jsonb ->> :'old_child', 'its orchestrator was Cancelled', 'Each with its reason');
select is((tests.task(:'old_child')).status, 'Queued', 'And rolls all of it back');
select is_empty($$select from public.task_events as e where e.actor like 'fairlane_core.cleanup %'$$, 'Also from the history');
select pg_temp.cleanup();
select is((tests.task(:'child')).status, 'Queued', 'The child of a live parent is left');
select is((tests.task(:'old_dependency')).status, 'Queued', 'What a fresh task waits for is left');
select is((tests.task(:'old_first')).status, 'Cancelled', 'A chain that is old as a whole goes');
select is((tests.task(:'old_second')).status, 'Cancelled', 'To its end');

-- TEST: what waits for something that cannot come, after an hour of grace
select tests.create_task(:'owner', p_dependant_on => gen_random_uuid()) as lost \gset
select pg_temp.cleanup();
select is((tests.task(:'lost')).status, 'Queued', 'A task whose dependency is missing is given time');
select tests.step_clock('61 minutes');
select pg_temp.cleanup();
select is((tests.task(:'lost')).status, 'Cancelled', 'An hour of it');
select matches((tests.task(:'lost')).error_message, 'does not exist', 'It says why');

-- TEST: nothing else was touched
select is((select count(*)::integer from public.tasks where status = 'In Progress'), 1, 'Running tasks run');
select is((select count(*)::integer from public.tasks where status = 'Cancelled' and error_message is null), 0, 'Every cancelled task has a reason');

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
