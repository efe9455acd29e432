begin;
select plan(18);

-- SETUP
select tests.empty_queue();
update fairlane_core.job_runs set scheduled_at = fairlane_core.now(), ran_at = null, failed_at = null, result = null;
create function pg_temp.health() returns jsonb language plpgsql as $$
declare
  v_reply json;
begin
  set local role service_role;
  v_reply := public.health(tests.service());
  reset role;
  return v_reply;
end;
$$;

-- What is missed when all of it is gone, which then comes back.
create function pg_temp.without_rows() returns table (row_name text) language plpgsql as $$
begin
  create temporary table kept as select * from fairlane_core.job_runs;
  delete from fairlane_core.job_runs;
  return query select m.row_name from fairlane_core.missing_rows() as m;
  insert into fairlane_core.job_runs select * from kept;
end;
$$;

-- TEST: all is well
select is(pg_temp.health() ->> 'status', 'ok', 'With its jobs in time the queue is well');
select is(jsonb_array_length(pg_temp.health() -> 'jobs'), (select count(*)::integer from fairlane_core.job_runs), 'Every job is listed');
select fairlane_core.run_job('rescue');
select is(
  jsonb_path_query_first(pg_temp.health(), '$.jobs[*] ? (@.job == "rescue").result.requeue_lost'), '0', 'With what it did last'
);

-- TEST: the version
select matches(pg_temp.health() ->> 'version', '^\d+\.\d+\.\d+$', 'It tells the version of the schema');
select is(fairlane_core.health_while_locked(tests.service()) ->> 'version', fairlane_core.version(), 'Also while a table is locked');

-- TEST: a late one
update fairlane_core.job_runs set period = '1 minute' where job = 'sweep';
select tests.step_clock('121 seconds');
select is(pg_temp.health() ->> 'status', 'degraded', 'Without one of them it is not');
select is(pg_temp.health() #>> '{reasons,0,code}', 'JOB_LATE', 'And says why');
select matches(pg_temp.health() #>> '{reasons,0,message}', '^Job sweep last ran at ', 'In words');

-- TEST: a failing one
update fairlane_core.job_runs set ran_at = fairlane_core.now() - interval '1 second', failed_at = fairlane_core.now(), error = 'disk full' where job = 'sweep';
select is(pg_temp.health() #>> '{reasons,0,code}', 'JOB_FAILED', 'A job that fails is said to fail');

-- TEST: drift
update fairlane_core.job_runs set failed_at = null, ran_at = fairlane_core.now() where job = 'sweep';
update fairlane_core.job_runs set ran_at = fairlane_core.now(), result = '{"repaired": 2}' where job = 'reconcile';
select is(pg_temp.health() #>> '{reasons,0,code}', 'DRIFT', 'Counters that had to be repaired are a reason to look');

-- TEST: rows that no database may be without
update fairlane_core.job_runs set result = null where job = 'reconcile';
select is(pg_temp.health() ->> 'status', 'ok', 'With all its rows the queue is well');
select set_eq(
  'select r.job from fairlane_core.job_runs as r',
  $$ select substring(m.row_name from 'job (\w+) of') from pg_temp.without_rows() as m where m.row_name like 'job %' $$,
  'Every job that ships is missed when it is gone'
);
select is(pg_temp.health() ->> 'status', 'ok', 'They have come back');
delete from fairlane_core.clock_watch;
select is(pg_temp.health() #>> '{reasons,0,code}', 'ROW_MISSING', 'A row that must be there is missed');
select matches(pg_temp.health() #>> '{reasons,0,message}', 'fairlane_core.clock_watch', 'By its name');
do $$ begin execute (select m.hint from fairlane_core.missing_rows() as m); end $$;
select is(pg_temp.health() ->> 'status', 'ok', 'The statement that it names brings it back');

-- TEST: who may ask
select tests.create_user() as owner \gset
select is(tests.answer(format('public.health(%L)', tests.signed_in(:'owner'))), '403 FORBIDDEN', 'It is for the service');
select tests.authenticate_as(:'owner');
select throws_ok(format('select public.health(%L)', tests.service()), '42501', null, 'And not for users directly');
select tests.clear_authentication();

select * from finish();
rollback;
