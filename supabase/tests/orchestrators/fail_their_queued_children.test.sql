begin;
select plan(33);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset
select tests.create_user() as stranger \gset

-- A family of three whose first two run; its ids, the orchestrator's first.
create function pg_temp.family() returns uuid[] language plpgsql as $$
declare
  v_ids uuid[] := array[tests.create_orchestrator((select user_id from pg_temp.owner))];
begin
  for v_index in 0 .. 2 loop
    v_ids := v_ids || tests.create_child(v_ids[1], 'part', v_index);
  end loop;
  perform tests.start(v_ids[2]);
  perform tests.start(v_ids[3]);
  perform tests.report_enqueued(v_ids[1]);
  return v_ids;
end;
$$;
create table pg_temp.owner as select :'owner'::uuid as user_id;
create function pg_temp.statuses(p_ids uuid[]) returns text language sql as $$
  select string_agg(tests.status(i.id), ', ' order by i.place) from unnest(p_ids) with ordinality as i (id, place)
$$;
-- What the one that waited says of it.
create function pg_temp.names(p_ids uuid[], p_cause uuid) returns boolean language sql as $$
  select (tests.task(p_ids[4])).error_message like format('Cascaded failed from related task %s: orchestrator %s has Failed%%', p_cause, p_ids[1])
    and (tests.task(p_ids[4])).output_location = (tests.task(p_ids[4])).error_message
$$;

-- TEST: however a child fails for good
select pg_temp.family() as ids \gset
select public.update_task_status(tests.service(), (:'ids'::uuid[])[2], 'Failed', 'CUDA out of memory');
select is(pg_temp.statuses(:'ids'), 'Failed, Failed, In Progress, Failed', 'Reported Failed: the queued one fails, the running one does not');
select ok(pg_temp.names(:'ids', (:'ids'::uuid[])[2]), 'It names the child that failed and the orchestrator, where debug tools look, too');
select is(tests.finish_task((:'ids'::uuid[])[3]), 'Complete', 'The one that runs finishes');
select is(
  (select count(*)::integer from public.generations as g where g.task_id = (:'ids'::uuid[])[3]), 1, 'And its result is recorded'
);

select pg_temp.family() as ids \gset
update public.tasks set status = 'Failed', error_message = 'broken' where id = (:'ids'::uuid[])[2];
select is(pg_temp.statuses(:'ids'), 'Failed, Failed, In Progress, Failed', 'A direct change');

select pg_temp.family() as ids \gset
update public.tasks set max_attempts = 1 where id = (:'ids'::uuid[])[2];
select public.mark_task_failed(tests.service(), (:'ids'::uuid[])[2], 'the third time');
select is(pg_temp.statuses(:'ids'), 'Failed, Failed, In Progress, Failed', 'A failure of the last attempt that might be retried');
select pg_temp.family() as ids \gset
select public.mark_task_failed(tests.service(), (:'ids'::uuid[])[2], 'the first time');
select is(pg_temp.statuses(:'ids'), 'In Progress, Queued, In Progress, Queued', 'One that is tried again costs nobody anything');

select pg_temp.family() as ids \gset
update public.tasks set max_attempts = 1 where id = (:'ids'::uuid[])[2];
update public.tasks set status = 'Queued', worker_id = null where id = (:'ids'::uuid[])[2];
select is(pg_temp.statuses(:'ids'), 'Failed, Failed, In Progress, Failed', 'A reset of the last start');

select pg_temp.family() as ids \gset
update public.tasks set max_attempts = 1 where id = (:'ids'::uuid[])[2];
insert into public.workers (id, instance_type, status) values ('gpu-' || (:'ids'::uuid[])[2], 'gpu', 'active');
update public.workers set status = 'terminated' where id = 'gpu-' || (:'ids'::uuid[])[2];
select is(pg_temp.statuses(:'ids'), 'Failed, Failed, In Progress, Failed', 'The end of the worker in the last start');

select pg_temp.family() as ids \gset
update public.tasks set max_attempts = 1, claimed_at = fairlane_core.now() - interval '3 hours', timeout = '1 hour' where id = (:'ids'::uuid[])[2];
select fairlane_core.rescue();
select is(tests.status((:'ids'::uuid[])[2]), 'Failed', 'The rescue fails what was started as often as it may be');
select is(tests.status((:'ids'::uuid[])[4]), 'Failed', 'And its sibling with it');
select ok(pg_temp.names(:'ids', (:'ids'::uuid[])[2]), 'Which names it');

select pg_temp.family() as ids \gset
select tests.create_task(:'owner') as awaited \gset
select tests.create_child((:'ids'::uuid[])[1], 'part', 7, :'awaited') as waiting \gset
select tests.fail_child(:'awaited', 'not of the family');
select is(pg_temp.statuses(:'ids'), 'Failed, In Progress, In Progress, Failed', 'A child that fails with what it waited for');
select ok(pg_temp.names(:'ids', :'waiting'), 'Which the others name');

select pg_temp.family() as ids \gset
select public.update_task_status(tests.service(), (:'ids'::uuid[])[1], 'Failed', 'the orchestrator itself');
select is(pg_temp.statuses(:'ids'), 'Failed, In Progress, In Progress, Failed', 'The orchestrator itself is reported Failed');
select ok(pg_temp.names(:'ids', (:'ids'::uuid[])[1]), 'Then that is the cause');

-- TEST: what is no failure for good
select pg_temp.family() as ids \gset
select public.update_task_status(tests.service(), (:'ids'::uuid[])[2], 'Cancelled');
select is(pg_temp.statuses(:'ids'), 'In Progress, Cancelled, In Progress, Queued', 'A cancelled child fails nobody');
select pg_temp.family() as ids \gset
delete from public.tasks where id = (:'ids'::uuid[])[2];
select is(pg_temp.statuses((:'ids'::uuid[])[3:4]), 'In Progress, Queued', 'Nor does a deleted one');
select pg_temp.family() as ids \gset
update public.tasks set created_at = fairlane_core.now() - interval '8 days' where id = (:'ids'::uuid[])[4];
update public.tasks set status = 'Cancelled' where id = (:'ids'::uuid[])[1];
select is(pg_temp.statuses(:'ids'), 'Cancelled, Cancelled, Cancelled, Cancelled', 'A cancelled orchestrator cancels all of them, as ever');
select tests.create_orchestrator(:'owner') as early \gset
select tests.create_child(:'early', 'part', 0) as early_child \gset
select tests.create_child(:'early', 'part', 1) as early_sibling \gset
select tests.fail_child(:'early_child');
select is(tests.status(:'early_sibling'), 'Queued', 'While its orchestrator still enqueues, a failed child fails nobody');
select tests.report_enqueued(:'early');
select is(tests.status(:'early_sibling'), 'Failed', 'But once it has');

-- TEST: who is not of the family, and what hangs on a child
select pg_temp.family() as ids \gset
select tests.create_task(:'stranger', p_params => jsonb_build_object(fairlane_core.parent_key(), (:'ids'::uuid[])[1])) as strangers \gset
select tests.create_task(:'owner', p_dependant_on => (:'ids'::uuid[])[4]) as outside \gset
select tests.create_task(:'owner', p_dependant_on => :'outside') as further \gset
select tests.create_task(:'stranger', p_dependant_on => (:'ids'::uuid[])[4]) as not_theirs \gset
select tests.fail_child((:'ids'::uuid[])[2], 'broken');
select is((tests.task(:'outside')).readiness, 'dependency_pending', 'What waits for a child from outside is not handed out');
select fairlane_core.settle_deferred();
select is(tests.status(:'outside') || tests.status(:'further'), 'FailedFailed', 'It fails in its turn, and what waits for that');
select is(tests.status(:'strangers') || tests.status(:'not_theirs'), 'QueuedQueued', 'What others enqueue under these names stays as it is');
select is((select count(*)::integer from fairlane_core.deferred_work), 0, 'Nothing is left to do');

-- TEST: families of families
select pg_temp.family() as ids \gset
select tests.create_child((:'ids'::uuid[])[1], 'montage_orchestrator') as below \gset
select tests.create_child(:'below', 'merge', 0) as grandchild \gset
select tests.create_child((:'ids'::uuid[])[1], 'montage_orchestrator') as at_work \gset
select tests.start(:'at_work');
select tests.create_child(:'at_work', 'merge', 0) as at_works \gset
select tests.fail_child((:'ids'::uuid[])[2], 'broken');
select is(
  array[tests.status(:'below'), tests.status(:'grandchild'), tests.status(:'at_work'), tests.status(:'at_works')],
  array['Failed', 'Failed', 'In Progress', 'Queued'], 'A queued child that is an orchestrator ends its own children; a running one goes on'
);
select is(
  (tests.task(:'grandchild')).error_message ~ ('^Cascaded failed from related task ' || (:'ids'::uuid[])[2]), true, 'The cause is still the first'
);

-- TEST: what its worker says later changes nothing
select is(
  tests.answer(format('public.update_task_status(tests.service(), %L, ''In Progress'', ''Successfully enqueued 3'')', (:'ids'::uuid[])[1])),
  '409 ILLEGAL_TRANSITION', 'A report of progress is told that there is none'
);
select is(
  (public.update_task_status(tests.service(), (:'ids'::uuid[])[1], 'Failed', 'a child failed') ->> 'changed')::boolean, false, 'That it failed is known already'
);

-- TEST: the whole family is requeued
select pg_temp.family() as ids \gset
select tests.fail_child((:'ids'::uuid[])[2], 'broken');
select tests.finish_task((:'ids'::uuid[])[3]);
select public.requeue_tasks(array[(:'ids'::uuid[])[1], (:'ids'::uuid[])[2], (:'ids'::uuid[])[4]]);
select fairlane_core.repair_orchestrations();
select fairlane_core.settle_deferred();
select is(pg_temp.statuses(:'ids'), 'Queued, Queued, Complete, Queued', 'All of it waits again');
select tests.finish_task((:'ids'::uuid[])[2]);
select tests.finish_task((:'ids'::uuid[])[4]);
select is(tests.status((:'ids'::uuid[])[1]), 'Complete', 'And completes');

-- TEST: one that becomes a part of a family that has failed
select pg_temp.family() as ids \gset
select tests.fail_child((:'ids'::uuid[])[2], 'broken');
select tests.create_task(:'owner') as runs \gset
select tests.start(:'runs');
select tests.create_task(:'owner') as waits \gset
update public.tasks set params = jsonb_build_object(fairlane_core.parent_key(), (:'ids'::uuid[])[1]) where id in (:'runs', :'waits');
select is(tests.status(:'runs') || ', ' || tests.status(:'waits'), 'In Progress, Failed', 'Fails while it waits, not while it runs');
select is((select count(*)::integer from fairlane_core.drift()) + (select count(*)::integer from tests.drift()), 0, 'Nothing has drifted');

select * from finish();
rollback;
