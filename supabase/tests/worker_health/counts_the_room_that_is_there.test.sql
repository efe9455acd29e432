begin;
select plan(20);

-- SETUP: an owner with room for fifty
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset
create function pg_temp.spawning() returns text language plpgsql as $$
declare
  v_reply jsonb;
begin
  set local role service_role;
  v_reply := public.worker_health(tests.service(), 30);
  reset role;
  return format('%s %s', v_reply #>> '{spawning,code}', v_reply #>> '{spawning,free_workers}');
end;
$$;
create function pg_temp.suggested() returns integer language sql as $$
  select (tests.counts() ->> 'suggested_workers')::integer;
$$;
create function pg_temp.rent(p_worker_id text, p_status text default 'active', p_type text default 'gpu') returns void language sql as $$
  insert into public.workers (id, instance_type, status, last_heartbeat)
  values (p_worker_id, p_type, p_status, case p_status when 'active' then fairlane_core.now() end);
$$;

-- TEST: nobody, nothing
select is(pg_temp.suggested(), 0, 'Nothing needs nobody');
select is(pg_temp.spawning(), 'NOTHING_CLAIMABLE 0', 'And is said so');

-- TEST: one task, and who may take it
select tests.create_task(:'owner') as task \gset
select is(pg_temp.suggested(), 1, 'A task needs one');
select is(pg_temp.spawning(), 'MORE_WORK_THAN_WORKERS 0', 'Nobody is there');
select pg_temp.rent('api-worker-main', 'active', 'api');
select is(pg_temp.spawning(), 'MORE_WORK_THAN_WORKERS 0', 'An api worker is nobody for gpu tasks');
select ok(tests.counts() -> 'warnings' @> '[{"code": "NO_WORKER_BEATING"}]', 'And its sign of life that of nobody');
select pg_temp.rent('gpu-1');
select tests.beat('gpu-1', '[]', '{"status_param": "terminated"}');
select is(pg_temp.spawning(), 'MORE_WORK_THAN_WORKERS 0', 'Nor is one that said goodbye');
select ok(tests.counts() -> 'warnings' @> '[{"code": "NO_WORKER_BEATING"}]', 'Whose last heartbeat is no sign of life either');
select pg_temp.rent('gpu-2', 'spawning');
select is(pg_temp.spawning(), 'ENOUGH_WORKERS 1', 'A machine that is starting will take it');
select tests.claim('gpu-2');
select tests.beat('gpu-2');
select is(pg_temp.suggested(), 1, 'While it runs it needs the one it has');
select is(pg_temp.spawning(), 'NOTHING_CLAIMABLE 0', 'And nobody else');

-- TEST: an orchestrator that waits for its children keeps nobody busy
select tests.create_task_in('In Progress', :'owner', 'film_orchestrator', 'gpu-3') as waiting \gset
select pg_temp.rent('gpu-3');
select tests.create_task(:'owner', p_params => jsonb_build_object(fairlane_core.parent_key(), :'waiting')) as child \gset
select is(pg_temp.spawning(), 'MORE_WORK_THAN_WORKERS 0', 'While it enqueues, its worker is busy');
select fairlane_core.note_enqueued(:'waiting');
select is(pg_temp.spawning(), 'ENOUGH_WORKERS 1', 'Then its worker is free for the child');
select is(pg_temp.suggested(), 2, 'As the suggestion has it: one for each task that runs or could');

-- TEST: workers that run several
update fairlane_core.settings set gpu_tasks_per_worker = 4;
select tests.create_task(:'owner') from generate_series(1, 5);
select is(pg_temp.suggested(), 2, 'Seven tasks need two workers of four');
select is(pg_temp.spawning(), 'ENOUGH_WORKERS 2', 'Two with room for three and four are enough for six');
select tests.create_task(:'owner') from generate_series(1, 2);
select is(pg_temp.spawning(), 'MORE_WORK_THAN_WORKERS 2', 'Not for eight');
update fairlane_core.settings set gpu_tasks_per_worker = null;
select is(pg_temp.suggested(), null, 'Without a bound nobody knows how many');
select is(pg_temp.spawning(), 'ENOUGH_WORKERS 2', 'One that is there takes them all');

-- TEST: an owner who may not
update public.users set credits = 0 where id = :'owner';
select is(pg_temp.spawning(), 'NOTHING_CLAIMABLE 2', 'Without credits nothing is to be had');

select * from finish();
rollback;
