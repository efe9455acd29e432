begin;
select plan(24);

-- SETUP: Ana and Ben have work of every kind, Cleo has none left
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 3) as ana \gset
select tests.create_user() as ben \gset
select tests.create_user() as cleo \gset
select tests.create_task(u, t)
from unnest(array[:'ana', :'ben']::uuid[]) as u, unnest('{clip,film_orchestrator,edit_image}'::text[]) as t, generate_series(1, 3);
select tests.create_task(:'ana', p_dependant_on => gen_random_uuid());
select tests.create_task(:'ana') as at_home \gset
update public.tasks set run_type = 'local' where id = :'at_home';
select tests.create_task(:'cleo') as last_of_cleo \gset
update public.tasks set status = 'Cancelled' where id = :'last_of_cleo';
insert into public.tasks (task_type, project_id) values ('clip', null);
select tests.claim_many(4), tests.claim('api-1', 'api');
create function pg_temp.reconcile() returns integer language plpgsql as $$
declare v_repaired integer;
begin
  set local role service_role;
  v_repaired := fairlane_core.reconcile();
  reset role;
  return v_repaired;
end;
$$;
create temporary table before as select l.* from fairlane_core.user_queues as l;

-- TEST: nothing to mend
select is(pg_temp.reconcile(), 0, 'reconcile() finds nothing to mend');
select set_eq('select * from fairlane_core.user_queues', 'select * from before', 'And leaves the user queues as they are');

-- TEST: every counter of one user
select l.last_served_at as turn_of_ana from fairlane_core.user_queues as l where l.user_id = :'ana' and l.pool = 'gpu' \gset
select tests.step_clock('1 minute');
update fairlane_core.user_queues
set ready_cloud = 7, ready_cloud_orchestration = 7, ready_local = 7, ready_local_orchestration = 7,
  active_cloud = 7, active_cloud_orchestration = 7, active_local = 7, active_local_orchestration = 7, running = 7, is_open = false
where user_id = :'ana';
select is(pg_temp.reconcile(), 1, 'reconcile() says how many users it mended');
select is_empty('select * from fairlane_core.drift()', 'drift() finds nothing afterwards');
select is(
  (select l.last_served_at from fairlane_core.user_queues as l where l.user_id = :'ana' and l.pool = 'gpu'), :'turn_of_ana'::timestamptz,
  'The user keeps the place in turn'
);
select is_empty('select * from tests.drift()', 'Nor does a recount by other means');
select is(pg_temp.reconcile(), 0, 'A second reconcile() has nothing left');

-- TEST: what runs; a user who seems to run too much would never be served again
update fairlane_core.user_slots set running = 99 where user_id in (:'ana', :'ben');
update fairlane_core.user_queues set running = 99, is_open = false where user_id in (:'ana', :'ben');
select is(tests.claim('gpu-x'), null, 'With slots that seem taken nobody is served');
select is(pg_temp.reconcile(), 2, 'reconcile() mends both users');
select is_empty('select * from tests.drift()', 'And nothing is left');
select isnt(tests.claim('gpu-x'), null, 'And they are served again');

-- TEST: a line is open when its user may run what stands in it
update fairlane_core.user_queues set is_open = not is_open where ready_cloud > 0;
select cmp_ok(pg_temp.reconcile(), '>', 0, 'reconcile() mends lines that stood open or closed by mistake');
select is_empty(
  $$ select l.* from fairlane_core.user_queues as l join tests.recounted_slots() as s using (user_id)
    where l.is_open <> (s.has_credits and s.cloud_on and s.running < s.task_limit and l.ready_cloud + l.ready_cloud_orchestration > 0) $$,
  'Each queue is open exactly when its user may run something in it'
);

-- TEST: lines that are gone
delete from fairlane_core.user_queues where user_id = :'ben';
select is(pg_temp.reconcile(), 1, 'reconcile() makes lines that are gone anew');
select is_empty('select * from tests.drift()', 'And they are right');

-- TEST: what is blocked, also of no owner
update fairlane_core.blocked_tasks set task_count = task_count + 3;
insert into fairlane_core.blocked_tasks (user_id, pool, reason, is_cloud, task_count) values (:'cleo', 'gpu', 'stale', true, 2);
select is(pg_temp.reconcile(), 3, 'reconcile() counts what is blocked again: of Ana, of Cleo, of nobody');
select is_empty('select * from tests.drift()', 'And it is right');

-- TEST: what a deleted user has left behind
delete from public.users where id = :'cleo';
insert into fairlane_core.blocked_tasks (user_id, pool, reason, is_cloud, task_count) values (:'cleo', 'gpu', 'stale', true, 2);
select is(pg_temp.reconcile(), 1, 'reconcile() clears what is left of a user who is gone');
select is_empty('select * from tests.drift()', 'And nothing of it is left');

-- TEST: the copy of what the user may
update fairlane_core.user_slots set has_credits = false, task_limit = 1, cloud_on = false, local_on = false where user_id = :'ben';
select is(pg_temp.reconcile(), 1, 'reconcile() reads again what a user may');
select is_empty('select * from tests.drift()', 'And the slots are as the user row says');

-- TEST: slots that are gone
delete from fairlane_core.user_slots where user_id = :'ben';
select is(pg_temp.reconcile(), 1, 'reconcile() makes slots that are gone anew');
select is_empty('select * from tests.drift()', 'And they are right');

-- TEST: for the operator only
select tests.authenticate_as(:'ana');
select throws_ok('select fairlane_core.reconcile()', '42501', null, 'reconcile() is not for signed-in users');

select * from finish();
rollback;
