begin;
select plan(19);

-- SETUP
select tests.empty_queue();
-- Keeps the scheduled sweep out until the end of the test.
lock table fairlane_core.minute_samples in share row exclusive mode;
delete from fairlane_core.minute_samples;
create function pg_temp.sweep(p_limit integer default 1000) returns jsonb language plpgsql as $$
declare v_reply jsonb;
begin
  set local role service_role;
  v_reply := fairlane_core.sweep(p_limit);
  reset role;
  return v_reply;
end;
$$;
create function pg_temp.readiness(p_task_id uuid) returns text language sql as $$
  select t.readiness from public.tasks as t where t.id = p_task_id;
$$;
select tests.create_user() as owner \gset
select tests.create_user(p_max_in_progress => 0) as stopped \gset
select tests.create_user(p_credits => 0) as poor \gset
select tests.create_task(:'owner') as due \gset
select tests.create_task(:'stopped') as of_stopped \gset
select tests.create_task(:'poor') as of_poor \gset
select tests.create_task(:'owner', p_dependant_on => gen_random_uuid()) as lost \gset
select tests.create_task(:'owner') as later \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 hour';
update public.tasks set available_at = fairlane_core.now() + interval '1 hour 1 microsecond' where id = :'later';

-- TEST: nothing before its time
select is(pg_temp.sweep(), '{"released": 0, "grown_stale": 0}', 'sweep() has nothing to do before the time has come');

-- TEST: what is due, whoever owns it
select tests.step_clock('1 hour');
select is(pg_temp.sweep(), '{"released": 4, "grown_stale": 0}', 'sweep() releases what is due');
select is(pg_temp.readiness(:'due'), 'ready', 'A due task is ready');
select is(pg_temp.readiness(:'of_stopped'), 'ready', 'Also the task of a user at the limit, which no claim would release');
select is(pg_temp.readiness(:'of_poor'), 'ready', 'And that of a user without credits');
select is(pg_temp.readiness(:'lost'), 'dependency_lost', 'One that has another reason has that');
select is(pg_temp.readiness(:'later'), 'not_yet', 'A microsecond early it goes on waiting');
select is_empty('select * from fairlane_core.drift()', 'The counters have followed');
select is_empty('select * from tests.drift()', 'And a recount by other means agrees');
select is(pg_temp.sweep(), '{"released": 0, "grown_stale": 0}', 'A second sweep has nothing left');

-- TEST: what has grown stale
select tests.create_task(:'owner') as parent_task \gset
select tests.create_task(:'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'parent_task')) as kept_fresh \gset
update public.tasks set attempts = 1, status = 'In Progress', worker_id = 'w', lease_token = gen_random_uuid() where id = :'parent_task';
select tests.step_clock('7 days 1 microsecond'); -- since they were due
select is(pg_temp.sweep(), '{"released": 1, "grown_stale": 3}', 'sweep() sets aside what is older than seven days, and releases what is due');
select is(pg_temp.readiness(:'due'), 'stale', 'A task that nobody started is stale');
select is(pg_temp.readiness(:'of_poor'), 'stale', 'Whoever owns it');
select is(pg_temp.readiness(:'kept_fresh'), 'ready', 'A live parent keeps its task fresh');
select is_empty('select * from fairlane_core.drift()', 'The counters have followed');
select is_empty('select * from tests.drift()', 'And a recount by other means agrees');

-- TEST: bounded
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner') from generate_series(1, 5);
update public.tasks set available_at = fairlane_core.now() + interval '1 minute';
select tests.create_task(:'owner') from generate_series(1, 7);
select tests.step_clock('8 days');
select is(pg_temp.sweep(3), '{"released": 3, "grown_stale": 3}', 'sweep() does no more than p_limit of each');
select is(pg_temp.sweep(3), '{"released": 2, "grown_stale": 3}', 'The next goes on where it left off');

-- TEST: for the operator only
select tests.authenticate_as(:'owner');
select throws_ok('select fairlane_core.sweep()', '42501', null, 'sweep() is not for signed-in users');

select * from finish();
rollback;
