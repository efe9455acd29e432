begin;
select plan(34);

-- SETUP: a project with work of every kind, and a second one of the same owner
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 5) as owner \gset
select tests.create_user(p_max_in_progress => 1) as heir \gset
select tests.create_project(:'owner') as project \gset
select tests.create_orchestrator(:'owner') as orchestrator \gset
select tests.create_child(:'orchestrator', 'part', 0) as child \gset
select tests.create_child(:'orchestrator', 'part', 1, :'child') as second \gset
select tests.create_task_in('Complete', :'owner') as done \gset
select tests.create_task(:'owner', p_dependant_on => :'done') as ready \gset
update public.tasks set idempotency_key = 'same' where id = :'ready';
select tests.create_task(:'heir') as own \gset
update public.tasks set idempotency_key = 'same' where id = :'own';
create function pg_temp.move(p_project uuid, p_user uuid) returns text language sql as $$
  select tests.answer(format('public.move_project(%L, %L) ->> ''tasks''', p_project, p_user));
$$;

-- TEST: not by a mere update
create function pg_temp.give(p_project uuid, p_user uuid) returns text language plpgsql as $$
declare v_detail text; v_hint text;
begin
  set local role service_role;
  update public.projects set user_id = p_user where id = p_project;
  reset role;
  return 'given';
exception when sqlstate 'PT409' then
  get stacked diagnostics v_detail = pg_exception_detail, v_hint = pg_exception_hint;
  return v_detail || ' ' || v_hint;
end;
$$;
select matches(pg_temp.give(:'project', :'heir'), '^PROJECT_HAS_TASKS .*move_project', 'A project with tasks is not given away by an update, which says what does it');
select tests.create_project(:'owner') as empty_project \gset
select is(pg_temp.give(:'empty_project', :'heir'), 'given', 'One without any is');
update public.projects set name = 'Another name', user_id = user_id where id = :'project';
select pass('Other columns may change');

-- TEST: not while something runs, not in part, not to nobody
select is(pg_temp.move(:'project', :'heir'), '409 PROJECT_HAS_TASKS', 'Not while a task is In Progress');
update public.tasks set status = 'Queued' where id = :'orchestrator';
select tests.create_project(:'owner') as other_project \gset
update public.tasks set project_id = :'other_project' where id = :'second';
select is(pg_temp.move(:'project', :'heir'), '409 PROJECT_HAS_TASKS', 'Not without a task that belongs to one of it');
update public.tasks set project_id = :'project' where id = :'second';
select is(pg_temp.move(:'project', gen_random_uuid()), '400 INVALID_ARGUMENT', 'Not to a user who does not exist');
select is(pg_temp.move(gen_random_uuid(), :'heir'), '404 PROJECT_NOT_FOUND', 'Nor what does not exist');
select is(tests.answer(format('public.move_project(%L, %L, %L)', :'project', :'heir', tests.signed_in(:'owner'))), '403 FORBIDDEN', 'Nor by a user');
select is_empty('select * from fairlane_core.drift()', 'Nothing has changed');

-- TEST: whole
select is(pg_temp.move(:'project', :'heir'), '5', 'All tasks move');
select is((select p.user_id from public.projects as p where p.id = :'project'), :'heir'::uuid, 'With the project');
select is_empty(format('select from public.tasks where user_id = %L', :'owner'), 'The former owner has none left');
select is_empty(format('select from public.task_events where user_id = %L', :'owner'), 'Nor their history');
select is_empty(format('select from public.generations where user_id = %L', :'owner'), 'Nor results');
select is((select count(*)::integer from public.generations as g where g.user_id = :'heir'), 1, 'The new owner has them');
select is((tests.task(:'second')).readiness, 'dependency_pending', 'What waited goes on waiting');
select is((tests.task(:'ready')).readiness, 'ready', 'What was ready is');
select is((tests.task(:'ready')).idempotency_key, null, 'A key that the new owner has used stays with its task');
select is((tests.task(:'own')).idempotency_key, 'same', 'As it was');
select is_empty('select * from fairlane_core.drift()', 'The counters have followed');
select is_empty('select * from tests.drift()', 'And a recount by other means agrees');
update public.tasks set priority = 9 where id = :'orchestrator';
select is(cardinality(tests.claim_many(10)), 2, 'The new owner''s limit holds: one task, beside the orchestrator');
select is_empty(format('select from fairlane_core.user_queues where user_id = %L and (is_open or ready_cloud <> 0 or active_cloud <> 0)', :'owner'), 'Nothing is counted for the former one');

-- TEST: the family is one, for its new owner
update public.users set max_in_progress = 10 where id = :'heir';
select tests.report_enqueued(:'orchestrator');
select tests.finish_task(:'child');
select is((tests.task(:'second')).readiness, 'ready', 'An end is followed');
select tests.finish_task(:'second');
select is(tests.status(:'orchestrator'), 'Complete', 'And the family ends');
select is(tests.answer(format('public.move_project(%L, %L) ->> ''tasks''', :'project', :'heir')), '0', 'Moved again, nothing moves');

-- TEST: deleted with its owner
delete from public.users where id = :'owner';
select is((select count(*)::integer from public.tasks as t where t.project_id = :'project'), 5, 'With the former owner nothing of it goes');
select is_empty('select * from fairlane_core.drift()', 'And nothing is counted wrong');

-- TEST: what is told of a deleted user
select is((select count(*)::integer from public.task_events as e where e.user_id = :'heir') > 15, true, 'The history tells of a user');
delete from public.users where id = :'heir';
select tests.step_clock('30 days -1 second');
select fairlane_core.purge();
select isnt_empty(format('select from public.task_events where user_id = %L', :'heir'), 'For thirty days after they were deleted');
select tests.step_clock('1 second');
select is((fairlane_core.purge(5000, true) ->> 'events')::integer > 0, true, 'A dry run counts what is due');
select fairlane_core.purge();
select is_empty(format('select from public.task_events where user_id = %L', :'heir'), 'And no longer');
select is_empty('select from fairlane_core.deleted_users', 'Then nobody remembers that there was one');
select is_empty('select * from fairlane_core.drift()', 'And nothing is counted wrong');

select * from finish();
rollback;
