begin;
select plan(6);

-- SETUP: an owner with room for five whose three tasks run on all the machines there are
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 5) as owner \gset
insert into public.workers (id, instance_type, status, last_heartbeat)
select 'gpu-' || n, 'gpu', 'active', fairlane_core.now() from generate_series(1, 3) as n;
select tests.create_task(:'owner') from generate_series(1, 3);
select tests.claim('gpu-' || n) from generate_series(1, 3) as n;
create function pg_temp.spawning() returns text language sql as $$
  select concat_ws(' ', s ->> 'code', s ->> 'claimable', s ->> 'free_workers')
  from (select public.worker_health(tests.service(), 30)::jsonb -> 'spawning' as s) as r;
$$;

-- TEST: who works on what its owner cancelled is not free
select public.update_task_status(tests.signed_in(:'owner'), t.id, 'Cancelled') from public.tasks as t where t.user_id = :'owner';
select tests.create_task(:'owner') from generate_series(1, 5);
select is((select count(*)::integer from fairlane_core.held_slots where let_go_at is null), 3, 'The machines are still at work');
select is(pg_temp.spawning(), 'MORE_WORK_THAN_WORKERS 2 0', 'Nobody is free for the two that could run');
select is((tests.counts() ->> 'suggested_workers')::integer, 5, 'Three are busy, and two could be');

-- TEST: until it lets go
select tests.claim('gpu-1');
select is(pg_temp.spawning(), 'MORE_WORK_THAN_WORKERS 2 0', 'One let go and took the next: the rest as before');
update public.workers set status = 'terminated' where id = 'gpu-2';
select is(pg_temp.spawning(), 'MORE_WORK_THAN_WORKERS 3 0', 'One that ended is not free either');

-- TEST: a worker that may hold more has room beside it
update fairlane_core.settings set gpu_tasks_per_worker = 3;
select is(pg_temp.spawning(), 'ENOUGH_WORKERS 3 2', 'Two with one slot taken have four left');

select * from finish();
rollback;
