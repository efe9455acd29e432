begin;
select plan(18);

-- SETUP: an owner with room for five, and five beating workers
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 5) as owner \gset
insert into public.workers (id, instance_type, status, last_heartbeat)
select 'gpu-' || n, 'gpu', 'active', fairlane_core.now() from generate_series(1, 5) as n;
create function pg_temp.suggested(p_pool text default 'gpu') returns integer language sql as $$
  select (public.task_counts(tests.service(), p_pool)::jsonb ->> 'suggested_workers')::integer;
$$;
create function pg_temp.active_only() returns integer language sql as $$
  select (tests.counts() #>> '{totals,active_only}')::integer;
$$;

-- TEST: machines that orchestrate
select tests.create_task(:'owner', 'film_orchestrator') from generate_series(1, 50);
select is(pg_temp.suggested(), 5, 'Five of fifty orchestrators can run');
select tests.claim('gpu-' || n) from generate_series(1, 5) as n;
select is(pg_temp.suggested(), 5, 'While they run five machines are busy');
select is(pg_temp.active_only(), 0, 'Under the name that deployed clients read they take no slot, as ever');
select tests.create_task(:'owner') from generate_series(1, 3);
select is(pg_temp.suggested(), 8, 'Tasks that take a slot could run beside them');

-- TEST: one that waits for its children keeps no machine
select t.id as waiting from public.tasks as t where t.worker_id = 'gpu-1' \gset
select tests.create_task(:'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'waiting')) as child \gset
select is(pg_temp.suggested(), 9, 'The child could run while its orchestrator enqueues');
delete from public.tasks as t where t.status = 'Queued' and t.task_type = 'film_orchestrator';
select is(pg_temp.suggested(), 9, 'That the rest is gone changes nothing');
select fairlane_core.note_enqueued(:'waiting');
select is(pg_temp.suggested(), 8, 'Then it waits, and its machine is free for the child');

-- TEST: orchestrators of both pools, one kind of which only waits
insert into public.task_types (name, category, run_type) values ('api_orchestrator', 'orchestration', 'api');
update fairlane_core.settings set api_tasks_per_worker = 1;
update public.users set max_orchestrating = 20 where id = :'owner';
select is(pg_temp.suggested('api'), 0, 'In the other pool nothing runs');
select tests.create_task_in('In Progress', :'owner', 'api_orchestrator', 'api-1') as elsewhere \gset
select is(pg_temp.suggested('api'), 1, 'There one runs now');
select is(pg_temp.suggested('gpu'), 8, 'Which changes nothing here');
select tests.create_task(:'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'elsewhere')) as other_child \gset
select fairlane_core.note_enqueued(:'elsewhere');
select is(pg_temp.suggested('api'), 0, 'It waits');
select is(pg_temp.suggested('gpu'), 9, 'And its child could run here, with the last free slot');

-- TEST: machines at work on what was cancelled under them
select tests.claim('gpu-1');
select is(pg_temp.suggested('gpu'), 9, 'A start moves one from claimable to active');
select public.update_task_status(tests.signed_in(:'owner'), t.id, 'Cancelled') from public.tasks as t
where t.worker_id = 'gpu-1' and t.status = 'In Progress' and t.takes_slot;
select is(pg_temp.active_only(), 0, 'What was cancelled is not active');
select is(pg_temp.suggested('gpu'), 9, 'But its machine is busy until it lets go');
select public.update_task_status(tests.signed_in(:'owner'), t.id, 'Cancelled') from public.tasks as t
where t.worker_id = 'gpu-2' and t.status = 'In Progress';
select is(pg_temp.suggested('gpu'), 9, 'As is that of a cancelled orchestrator');
update public.workers set status = 'terminated' where id in ('gpu-1', 'gpu-2');
select is(pg_temp.suggested('gpu'), 7, 'Machines that are gone are not counted');

-- TEST: what one worker holds
update fairlane_core.settings set gpu_tasks_per_worker = 4;
select is(pg_temp.suggested('gpu'), 2, 'Seven things to do need two workers of four');

select * from finish();
rollback;
