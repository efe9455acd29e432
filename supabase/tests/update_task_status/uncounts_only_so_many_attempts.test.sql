begin;
select plan(13);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
update fairlane_core.settings set max_uncounted_releases = 3, retry_delay = '10 seconds', max_retry_delay = '15 seconds';
select tests.create_task(:'owner') as task \gset
create function pg_temp.start_and_hand_back(p_task_id uuid) returns text language plpgsql as $$
begin
  perform tests.claim('gpu-1');
  perform public.update_task_status(tests.service(), p_task_id, 'Queued');
  return (select concat_ws(' ', t.status, t.attempts, t.readiness) from public.tasks as t where t.id = p_task_id);
end;
$$;

-- TEST: a worker that shuts down costs no start and no time
select is(pg_temp.start_and_hand_back(:'task'), 'Queued 0 ready', 'The first time the task is ready at once');

-- TEST: one that hands everything back does not spin
select is(pg_temp.start_and_hand_back(:'task'), 'Queued 0 not_yet', 'The second time it waits');
select is(tests.claim('gpu-2'), null, 'So nobody gets it for now');
select tests.step_clock('11 seconds');
select is(pg_temp.start_and_hand_back(:'task'), 'Queued 0 not_yet', 'Then it is handed out again, still without a start');
select cmp_ok((tests.task(:'task')).available_at, '>', fairlane_core.now() + interval '11 seconds', 'And waits longer');

-- TEST: nor for ever
select tests.step_clock('16 seconds');
select is(pg_temp.start_and_hand_back(:'task'), 'Queued 1 not_yet', 'After as many times as the setting says it counts');
select tests.step_clock('16 seconds');
select is(pg_temp.start_and_hand_back(:'task'), 'Queued 2 not_yet', 'And so does each one after it');

-- TEST: in the end the task fails, and says so
select tests.step_clock('16 seconds');
select tests.claim('gpu-1');
select is(
  public.update_task_status(tests.service(), :'task', 'Queued', p_error_message => 'shutting down') ->> 'status', 'Failed', 'The last one ends it'
);
select is(
  (tests.task(:'task')).error_message, 'Given up after 3 attempts; the last one ended with: shutting down', 'With its story'
);
select is(
  (select count(*)::integer from public.task_events as e where e.task_id = :'task' and e.from_status = 'Queued' and e.to_status = 'In Progress'), 6,
  'Three starts and three free returns are six, not three times four'
);

-- TEST: who puts it back gives it all anew
select public.requeue_tasks(array[:'task']::uuid[]);
select is(pg_temp.start_and_hand_back(:'task'), 'Queued 3 ready', 'A requeued task may be released uncounted again');
delete from public.tasks where id = :'task';

-- TEST: what never reached its worker
update fairlane_core.settings set max_uncounted_releases = 1;
select tests.create_task(:'owner') as lost \gset
select tests.claim('gpu-3');
select tests.beat('gpu-3');
select tests.step_clock('16 minutes');
select tests.beat('gpu-3');
select fairlane_core.rescue();
select is((tests.task(:'lost')).attempts, 0, 'A task that did not arrive gets its start back, too');
select tests.claim('gpu-3');
select tests.step_clock('16 minutes');
select tests.beat('gpu-3');
select fairlane_core.rescue();
select is((tests.task(:'lost')).attempts, 1, 'As often');

select * from finish();
rollback;
