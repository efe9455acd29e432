begin;
select plan(17);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
create function pg_temp.fail_after(p_owner uuid, p_attempts integer) returns public.tasks language plpgsql as $$
declare
  v_task_id uuid := tests.create_task_in('In Progress', p_owner, p_attempts => p_attempts);
begin
  update public.tasks set max_attempts = 100 where id = v_task_id;
  perform public.mark_task_failed(tests.service(), v_task_id, 'provider answered 503');
  return tests.task(v_task_id);
end;
$$;
create function pg_temp.wait_of(p_task public.tasks) returns numeric language sql as $$
  select extract(epoch from (p_task).available_at - fairlane_core.now());
$$;

-- TEST: the wait doubles, is spread over a quarter of itself, and has a limit
select ok(
  pg_temp.wait_of(pg_temp.fail_after(:'owner', w.attempts)) between w.longest * 0.75 and w.longest,
  format('After start %s a task waits up to %s seconds', w.attempts, w.longest)
)
from (values (1, 10), (2, 20), (3, 40), (6, 320), (7, 640), (8, 900), (30, 900)) as w (attempts, longest);

select ok(
  count(distinct pg_temp.wait_of(pg_temp.fail_after(:'owner', 3))) > 1, 'Tasks that failed together do not all come back together'
)
from generate_series(1, 5);

update fairlane_core.settings set retry_delay = '0', max_retry_delay = '0';
select is((pg_temp.fail_after(:'owner', 1)).readiness, 'ready', 'Without a delay it is ready at once');
update fairlane_core.settings set retry_delay = default, max_retry_delay = default;

-- TEST: what a task that waits says
select t.* from pg_temp.fail_after(:'owner', 1) as t \gset task_
select is(:'task_readiness'::text, 'not_yet', 'It is not_yet');
select is(:'task_error_message'::text, 'provider answered 503', 'It says why');
select matches(
  (select e.reason from public.task_events as e where e.task_id = :'task_id' order by e.id desc limit 1),
  '^failed, to be tried again in \d+ s: provider answered 503$', 'So does its history'
);

-- TEST: it comes back, counts its starts and ends with the last one
select tests.empty_queue();
select tests.create_user() as worn \gset
select tests.create_task(:'worn') as task \gset
create function pg_temp.start_and_fail(p_task_id uuid) returns text language plpgsql as $$
declare
  v_reply jsonb;
begin
  perform tests.step_clock('1 hour');
  if tests.claim('worker-' || gen_random_uuid()) is distinct from p_task_id then
    return 'not handed out';
  end if;
  v_reply := public.mark_task_failed(tests.service(), p_task_id, 'provider answered 503');
  return (v_reply ->> 'status') || ' ' || (v_reply ->> 'will_retry') || ' ' || (v_reply ->> 'attempt');
end;
$$;
select is(pg_temp.start_and_fail(:'task'), 'Queued true 1', 'The first start may be followed by another');
select is(tests.claim('too-early'), null, 'Before its time nobody gets it');
select is(pg_temp.start_and_fail(:'task'), 'Queued true 2', 'So may the second');
select is(pg_temp.start_and_fail(:'task'), 'Failed false 3', 'The third was the last');

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
