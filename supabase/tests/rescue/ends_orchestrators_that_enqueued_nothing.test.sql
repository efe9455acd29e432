begin;
select plan(16);

-- SETUP: workers that beat all the time, and name nothing
select tests.empty_queue();
select tests.step_clock('1 hour');
select tests.create_user(p_max_in_progress => 50) as owner \gset
create function pg_temp.later(p_by interval) returns void language plpgsql as $$
begin
  perform tests.step_clock(p_by);
  perform tests.beat('gpu-1');
  perform tests.beat('gpu-2');
  perform fairlane_core.rescue();
end;
$$;
create function pg_temp.orchestrate(p_owner uuid, p_worker text) returns uuid language plpgsql as $$
begin
  perform tests.create_task(p_owner, 'film_orchestrator');
  return tests.claim(p_worker);
end;
$$;
create function pg_temp.report(p_task_id uuid, p_text text) returns text language sql as $$
  select tests.answer(format('public.update_task_status(tests.service(), %L, ''In Progress'', %L) ->> ''status''', p_task_id, p_text));
$$;
select tests.beat('gpu-1');
select tests.beat('gpu-2');

-- TEST: words that nobody knows, and no children
select pg_temp.orchestrate(:'owner', 'gpu-1') as talking \gset
select tests.create_task(:'owner', p_dependant_on => :'talking') as waiting \gset
select is(pg_temp.report(:'talking', 'There was nothing to do here'), 'In Progress', 'Other words complete no orchestrator');
select pg_temp.later('9 minutes 50 seconds');
select is(tests.status(:'talking'), 'In Progress', 'Its children may still come');
select pg_temp.later('20 seconds');
select is(tests.status(:'talking'), 'Failed', 'After ten minutes without a report or a child it has ended, although its worker sends heartbeats');
select matches(
  (tests.task(:'talking')).error_message,
  '^Attempt 1 ended without a result: it enqueued nothing, and nothing was heard of it for 61\d s; its last words: There was nothing to do here$',
  'It says why, and with which words'
);
select is((tests.task(:'talking')).output_location, (tests.task(:'talking')).error_message, 'Where deployed tools look, too');
select is((tests.task(:'talking')).attempts, 1, 'It is not tried again: it has said its last word');
select is(tests.status(:'waiting'), 'Failed', 'Its dependents end with it');
select is((select w.status from public.workers as w where w.id = 'gpu-1'), 'active', 'Its worker is not to blame');

-- TEST: one that is still heard of, and one with a child
select pg_temp.orchestrate(:'owner', 'gpu-1') as planning \gset
select pg_temp.report(:'planning', 'Planning');
select pg_temp.orchestrate(:'owner', 'gpu-2') as parent \gset
select pg_temp.report(:'parent', 'Planning');
select tests.create_child(:'parent', 'merge', 0) as child \gset
select tests.step_clock('6 minutes');
select tests.beat('gpu-1', p_more => jsonb_build_object('current_task_id_param', :'planning'));
select pg_temp.later('6 minutes');
select is(tests.status(:'planning'), 'In Progress', 'Who names it is still at work on it');
select is(tests.status(:'parent'), 'In Progress', 'One with children waits for them');
select tests.finish_task(:'child');
select is(tests.status(:'parent'), 'Complete', 'And ends with them');
select tests.finish_task(:'planning');

-- TEST: one whose worker has claimed again without having said anything of it
select pg_temp.orchestrate(:'owner', 'gpu-1') as left_behind \gset
select tests.beat('gpu-1', p_more => jsonb_build_object('current_task_id_param', :'left_behind'));
select tests.claim('gpu-1');
select pg_temp.later('10 minutes 10 seconds');
select is(tests.status(:'left_behind'), 'Queued', 'One that its worker has left without a report is requeued');
select matches(
  (tests.task(:'left_behind')).error_message,
  '^Attempt 1 ended without a result: worker gpu-1 claimed again, and nothing was enqueued or heard of it for 61\d s$', 'With that reason'
);
select is((tests.task(:'left_behind')).attempts, 1, 'The start counts');

-- TEST: what a report brings about is the reporter's doing
select tests.create_orchestrator(:'owner') as judged \gset
select tests.create_child(:'judged', 'part', 0) as failed_child \gset
select tests.start(:'failed_child');
update public.tasks set status = 'Failed', error_message = 'broke' where id = :'failed_child';
select pg_temp.report(:'judged', 'Successfully enqueued 1 part');
select results_eq(
  format('select to_status, actor from public.task_events where task_id = %L and to_status = ''Failed''', :'judged'),
  $$values ('Failed', 'service')$$, 'The history names who reported, not the role it came with'
);

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
