begin;
select plan(31);

-- SETUP: a user who may run two at once
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 2) as owner \gset
select tests.with_token(:'owner') as token \gset
select tests.create_task(:'owner', p_age => '1 hour') from generate_series(1, 60);
create function pg_temp.busy() returns integer language sql as $$
  select count(distinct e.worker_id)::integer from public.task_events as e where e.to_status = 'In Progress';
$$;
-- As requests of the Data API come in: with the role of their key, or as a user.
create function pg_temp.by(p_who text, p_sql text) returns text language plpgsql as $$
declare
  v_answer text;
begin
  perform tests.authenticate_as(p_who);
  execute p_sql into v_answer;
  perform tests.clear_authentication();
  return v_answer;
end;
$$;
-- Eight machines ask; after each claim the owner, or their app, ends what it got.
create function pg_temp.end_each(p_who text, p_sql text) returns integer language plpgsql as $$
declare
  v_task_id uuid;
  v_started integer := 0;
begin
  for v_turn in 1..8 loop
    v_task_id := tests.claim('gpu-' || v_turn);
    continue when v_task_id is null;
    v_started := v_started + 1;
    perform pg_temp.by(p_who, format(p_sql, v_task_id));
    if not exists (select from public.tasks as t where t.status = 'Queued') then
      perform tests.create_task(u.id) from public.users as u;
    end if;
  end loop;
  return v_started;
end;
$$;

-- TEST: whatever ends them, two machines work for this user
savepoint fresh;
select is(pg_temp.end_each('service_role', format('select public.update_task_status(%L, %%L, ''Cancelled'') ->> ''status''', tests.signed_in(:'owner'))), 2, 'The owner cancels');
rollback to fresh;
select is(pg_temp.end_each('service_role', format('select public.complete_task(%L, %%L, ''https://files/a.mp4'') ->> ''status''', tests.signed_in(:'owner'))), 2, 'The owner completes');
rollback to fresh;
select is(pg_temp.end_each('service_role', format('select public.complete_task(%L, %%L, ''https://files/a.mp4'') ->> ''status''', :'token')), 2, 'A token of the owner''s completes');
rollback to fresh;
select is(pg_temp.end_each('service_role', format('select public.update_task_status(%L, %%L, ''Failed'', ''not nice'') ->> ''status''', :'token')), 2, 'A token of the owner''s fails');
rollback to fresh;
select is(pg_temp.end_each('service_role', format('select public.update_task_status(%L, %%L, ''Cancelled'') ->> ''status''', tests.service())), 2, 'The app cancels');
rollback to fresh;
select is(pg_temp.end_each('service_role', 'update public.tasks set status = ''Cancelled'' where id = %L returning status'), 2, 'The app cancels through the Data API');
rollback to fresh;
select is(pg_temp.end_each('service_role', 'delete from public.tasks where id = %L returning status'), 2, 'The app deletes');
rollback to fresh;
select is(
  pg_temp.end_each(:'owner', 'with gone as (delete from public.projects returning id), again as (select 1) select count(*)::text from gone where %L <> '''''), 2,
  'The owner deletes the project'
);
rollback to fresh;

-- TEST: the two count everywhere
select tests.claim('gpu-1') as first \gset
select tests.claim('gpu-2') as second \gset
select public.update_task_status(tests.signed_in(:'owner'), :'first', 'Cancelled');
select is(tests.claim('gpu-3'), null, 'A slot is held after the end of its task');
select is(tests.claimable(), 0, 'task_counts() knows');
select is(
  (select public.explain_task(tests.service(), t.id)::jsonb @> '{"reason": "user_at_limit", "running": 2, "held": 1}' from public.tasks as t where t.status = 'Queued' limit 1),
  true, 'explain() knows'
);
select is_empty('select * from fairlane_core.drift()', 'It is no drift');
update fairlane_core.user_slots set running = 0 where user_id = :'owner';
select fairlane_core.reconcile();
select is(tests.claim('gpu-3'), null, 'And no reconcile frees it');
select is_empty('select * from fairlane_core.drift()', 'The counters are right again');

-- TEST: until its worker claims again
savepoint held;
select isnt(tests.claim('gpu-1'), null, 'The worker that had it gets the next one');
select is(tests.claim('gpu-3'), null, 'But nobody else');
rollback to held;
-- ... reports,
select public.complete_task(tests.service(), :'first', 'https://files/late.mp4');
select isnt(tests.claim('gpu-3'), null, 'A report on the task frees its slot');
select is(tests.status(:'first'), 'Cancelled', 'And changes nothing else');
rollback to held;
-- ... ends,
insert into public.workers (id, status, last_heartbeat) values ('gpu-1', 'active', fairlane_core.now());
update public.workers set status = 'terminated' where id = 'gpu-1';
select isnt(tests.claim('gpu-3'), null, 'The end of the worker frees it');
rollback to held;
-- ... falls silent,
select tests.step_clock('101 seconds');
insert into public.workers (id, status, last_heartbeat) values ('gpu-2', 'active', fairlane_core.now());
select fairlane_core.rescue();
select isnt(tests.claim('gpu-3'), null, 'Silence frees it');
rollback to held;
-- ... or has had it for ten minutes. A beat names no task, and alone frees nothing.
create function pg_temp.beats(p_for interval) returns void language plpgsql as $$
begin
  for v_beat in 1..extract(epoch from p_for)::integer / 30 loop
    perform tests.step_clock('30 seconds');
    perform tests.beat('gpu-1');
    perform tests.beat('gpu-2');
  end loop;
  perform fairlane_core.rescue();
end;
$$;
select pg_temp.beats('9 minutes 30 seconds');
select is(tests.claim('gpu-3'), null, 'A worker that sends heartbeats may still be working on it');
select pg_temp.beats('30 seconds');
select isnt(tests.claim('gpu-3'), null, 'After ten minutes it is free all the same');
select is_empty('select * from fairlane_core.held_slots as h where h.let_go_at is null', 'And nothing is held');
rollback to held;

-- TEST: what its holder ends is free at once
select public.update_task_status(tests.service(), :'second', 'Queued');
select isnt(tests.claim('gpu-3'), null, 'The worker handed it back');
select lease_token as lease from public.tasks where worker_id = 'gpu-3' and status = 'In Progress' \gset
select public.update_task_status(tests.service(), t.id, 'Cancelled', p_lease_token => t.lease_token) from public.tasks as t where t.lease_token = :'lease';
select isnt(tests.claim('gpu-4'), null, 'The worker proved that it cancelled its own');

-- TEST: what others pay for nothing
rollback to fresh;
select tests.claim('gpu-1') as task \gset
select tests.step_clock('1 second');
select public.complete_task(tests.signed_in(:'owner'), :'task', 'https://files/mine.mp4');
select tests.step_clock('10 minutes');
select public.complete_task(tests.service(), :'task', 'https://files/late.mp4');
select is(
  (select extract(epoch from t.generation_processed_at - t.generation_started_at)::integer from public.tasks as t where t.id = :'task'), 601,
  'What the owner completed early is billed until its worker let go'
);
select is((tests.task(:'task')).output_location, 'https://files/mine.mp4', 'With the owner''s result');
select is(
  (select e.details ->> 'billed_to' from public.task_events as e where e.task_id = :'task' and e.actor = 'fairlane_core.let_go')::timestamptz, fairlane_core.now(),
  'The history says until when'
);
select tests.claim('gpu-1') as task \gset
select pg_temp.by('service_role', format('delete from public.tasks where id = %L returning status', :'task'));
select tests.step_clock('5 minutes');
select is((select count(*)::integer from fairlane_core.held_slots as h where h.let_go_at is null), 1, 'A task that is gone holds its slot');
select isnt(tests.claim('gpu-1'), null, 'Until its worker comes back');
select is_empty('select * from fairlane_core.drift()', 'The counters are what the tasks add up to');

select * from finish();
rollback;
