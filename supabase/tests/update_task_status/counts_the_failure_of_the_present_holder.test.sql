begin;
select plan(17);

-- SETUP: gpu-old had a task, was reset by hand and beats on; gpu-new has it now
select tests.empty_queue();
delete from public.workers;
select tests.create_user(p_max_in_progress => 100) as owner \gset
insert into public.workers (id, status, last_heartbeat) values
  ('gpu-old', 'active', fairlane_core.now()), ('gpu-new', 'active', fairlane_core.now()), ('token-worker', 'active', fairlane_core.now());
create function pg_temp.passed_on(p_owner uuid, p_from text default 'gpu-old') returns uuid language plpgsql as $$
declare
  v_task_id uuid := tests.create_task(p_owner, 'clip');
begin
  update public.tasks set status = 'Cancelled' where status = 'In Progress';
  update public.tasks set priority = 9 where id = v_task_id;
  perform tests.claim(p_from);
  update public.tasks set status = 'Queued', error_message = 'Reset - by hand' where id = v_task_id;
  perform tests.claim('gpu-new');
  return v_task_id;
end;
$$;
create function pg_temp.may_be_anothers(p_task_id uuid, p_attempts integer default null) returns boolean language sql as $$
  select fairlane_core.has_live_former_holder(tests.task(p_task_id), p_attempts);
$$;

-- TEST: who may speak
select pg_temp.passed_on(:'owner') as task \gset
select ok(pg_temp.may_be_anothers(:'task'), 'A machine that was reset and sends heartbeats may still be at work');
select ok(not pg_temp.may_be_anothers(:'task', 2), 'But it does not speak of the second start');
select ok(pg_temp.may_be_anothers(:'task', 1), 'It does of the first');
select ok(pg_temp.may_be_anothers(:'task', 3), 'A number that no start has says nothing');
update public.workers set status = 'terminating' where id = 'gpu-old';
select ok(not pg_temp.may_be_anothers(:'task'), 'Who is being sent away is not waited for');
update public.workers set status = 'active' where id = 'gpu-old';

-- TEST: another task since
select tests.create_task(:'owner', 'clip') as other \gset
select tests.claim('gpu-old');
select ok(not pg_temp.may_be_anothers(:'task'), 'Who runs one task at a time and has another has left the first');
update public.tasks set status = 'Queued', error_message = 'Reset - by hand' where id = :'other';
select ok(not pg_temp.may_be_anothers(:'task'), 'Also when that one was taken from it again');
update fairlane_core.settings set gpu_tasks_per_worker = 2;
select ok(pg_temp.may_be_anothers(:'task'), 'Who runs more at a time may be at work on either');
update fairlane_core.settings set gpu_tasks_per_worker = 1;
select pg_temp.passed_on(:'owner', 'token-worker') as task \gset
select tests.create_task(:'owner', 'clip');
select tests.claim('token-worker');
select ok(pg_temp.may_be_anothers(:'task'), 'So may the others under a name that several share');

-- TEST: what is not applied
select pg_temp.passed_on(:'owner') as task \gset
update public.workers set last_heartbeat = fairlane_core.now();
select is((tests.task(:'task')).delivered_at, null, 'A task that nobody has named');
select is(
  public.update_task_status(tests.service(), :'task', 'Failed', 'boom') ->> 'changed', 'false', 'A failure that may be another''s is not applied'
);
select isnt((tests.task(:'task')).delivered_at, null, 'But somebody has had the task');
select is(
  public.update_task_status(tests.signed_in(:'owner'), :'task', 'Failed', 'not wanted') ->> 'changed', 'true',
  'What its owner says is no machine''s word'
);

-- TEST: the end of the story, for a claim and for one that is repeated
select pg_temp.passed_on(:'owner') as task \gset
update public.tasks set max_attempts = 2 where id = :'task';
select public.update_task_status(tests.service(), :'task', 'Failed', 'the real reason');
select tests.claim('gpu-new');
select is((tests.task(:'task')).error_message, 'the real reason', 'The end has the reported reason');
select pg_temp.passed_on(:'owner') as task \gset
update public.tasks set max_attempts = 2, claim_id = 'c-1', claim_repeats = 10 where id = :'task';
select public.update_task_status(tests.service(), :'task', 'Failed', 'the real reason, again');
select public.claim_next_task(tests.service(), 'gpu-new', 'gpu', p_claim_id => 'c-1');
select is((tests.task(:'task')).error_message, 'the real reason, again', 'So has that of a claim that is repeated');
select pg_temp.passed_on(:'owner') as task \gset
update public.tasks set max_attempts = 2, delivered_at = fairlane_core.now() where id = :'task';
select tests.claim('gpu-new');
select matches((tests.task(:'task')).error_message, 'claimed again without finishing it', 'Where no reason was reported, the end says so');

select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
