begin;
select plan(13);

-- The plain completion is one statement of its own (fairlane_core.complete_task), every other one goes through
-- fairlane_core.complete_general. Two users with the same work are served, one in each way.

-- SETUP: what completions leave behind, less what must differ
create function pg_temp.left_behind(p_user_id uuid) returns jsonb language sql as $$
  select jsonb_build_object(
    'tasks', (
      select jsonb_agg(
        to_jsonb(t) - array['id', 'project_id', 'user_id', 'worker_id', 'lease_token', 'claimed_at', 'generation_started_at', 'updated_at',
          'generation_processed_at']
        || jsonb_build_object('times', array[t.generation_processed_at = fairlane_core.now(), t.updated_at = fairlane_core.now()])
        order by t.priority
      )
      from public.tasks as t where t.user_id = p_user_id
    ),
    'records', (
      select jsonb_agg(
        to_jsonb(g) - array['id', 'task_id', 'project_id', 'user_id'] || jsonb_build_object('now', g.created_at = fairlane_core.now())
        order by t.priority
      )
      from public.generations as g join public.tasks as t on t.id = g.task_id where g.user_id = p_user_id
    ),
    'slots', (select to_jsonb(s) - 'user_id' from fairlane_core.user_slots as s where s.user_id = p_user_id),
    'queues', (
      select jsonb_agg(to_jsonb(l) - array['user_id', 'last_served_at'] || jsonb_build_object('now', l.last_served_at = fairlane_core.now()) order by l.pool)
      from fairlane_core.user_queues as l where l.user_id = p_user_id
    ),
    'events', (
      select jsonb_agg(to_jsonb(e) - array['id', 'task_id', 'user_id', 'worker_id', 'at'] || jsonb_build_object('now', e.at = fairlane_core.now()) order by e.id)
      from public.task_events as e where e.user_id = p_user_id and e.to_status = 'Complete'
    )
  );
$$;
-- The running task with this priority, completed; the reply, less what must differ.
create function pg_temp.complete(
  p_user_id uuid, p_priority integer, p_with_care boolean,
  p_file text default 'https://files.example/result.png', p_thumbnail text default null, p_result jsonb default null, p_lease boolean default false
)
returns jsonb language plpgsql as $$
declare
  v_task public.tasks := (select t from public.tasks as t where t.user_id = p_user_id and t.priority = p_priority);
  v_lease uuid := case when p_lease then v_task.lease_token end;
  v_reply jsonb;
begin
  if p_with_care then
    v_reply := fairlane_core.complete_general(tests.service(), v_task.id, p_file, p_thumbnail, p_result, v_lease, null, false);
  else
    v_reply := public.complete_task(tests.service(), v_task.id, p_file, p_thumbnail, p_result, v_lease);
  end if;
  return v_reply - array['task_id', 'generation_id'] || jsonb_build_object(
    'names_task', v_reply ->> 'task_id' = v_task.id::text,
    'names_record', (v_reply ->> 'generation_id')::uuid is not distinct from (select g.id from public.generations as g where g.task_id = v_task.id)
  );
end;
$$;
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 4) as plain \gset
select tests.create_user(p_max_in_progress => 4) as careful \gset
insert into public.tasks (project_id, task_type, priority, params)
select p.id, w.task_type, w.priority, w.params
from (values (tests.create_project(:'plain')), (tests.create_project(:'careful'))) as p (id)
  cross join (values
    ('clip', 9, '{"seed": 9007199254740993}'::jsonb),
    ('clip', 8, '{"skip_generation": true}'),
    ('clip', 7, '{"nested": {"user_jwt": "secret"}}'),
    ('edit_image', 6, '{}'),
    ('clip', 5, '{}'),
    ('edit_image', 4, '{}')
  ) as w (task_type, priority, params);
select tests.step_clock('1 hour');
select tests.claim(p_worker_id => 'gpu-' || n, p_run_type => 'gpu') from generate_series(1, 6) as n;
select tests.claim(p_worker_id => 'api-' || n, p_run_type => 'api') from generate_series(1, 2) as n;
select tests.step_clock('1 minute');

select is(
  (select array_agg(t.priority order by t.user_id = :'plain', t.priority) from public.tasks as t where t.status = 'In Progress'),
  array[6, 7, 8, 9, 6, 7, 8, 9], 'Both users are at their limit, with a task left in each pool'
);

-- TEST: at the limit, with work left in both pools
select is(
  pg_temp.complete(:'plain', 9, false, p_thumbnail => 'https://files.example/small.png', p_result => '{"frames": 81}', p_lease => true),
  pg_temp.complete(:'careful', 9, true, p_thumbnail => 'https://files.example/small.png', p_result => '{"frames": 81}', p_lease => true),
  'A plain and a careful completion give the same answer'
);
select is(pg_temp.left_behind(:'plain'), pg_temp.left_behind(:'careful'), 'A plain and a careful completion leave the same behind');

-- TEST: without a record, and with a secret
select is(pg_temp.complete(:'plain', 8, false), pg_temp.complete(:'careful', 8, true), 'Without a record the answer is the same');
select is(pg_temp.complete(:'plain', 7, false), pg_temp.complete(:'careful', 7, true), 'With a secret the answer is the same');
select is(pg_temp.left_behind(:'plain'), pg_temp.left_behind(:'careful'), 'No record and no secret are left by either');

-- TEST: a result that replaces an earlier one
update public.tasks set status = 'Queued', requeue_count = requeue_count + 1 where priority = 9;
select tests.claim(p_worker_id => 'gpu-' || n, p_run_type => 'gpu') from generate_series(7, 8) as n;
select tests.step_clock('1 minute');
select is(
  pg_temp.complete(:'plain', 9, false, 'https://files.example/better.png'),
  pg_temp.complete(:'careful', 9, true, 'https://files.example/better.png'),
  'A result that replaces an earlier one gets the same answer'
);
select is(pg_temp.left_behind(:'plain'), pg_temp.left_behind(:'careful'), 'A record is replaced alike');

-- TEST: the last of a pool
select tests.claim(p_worker_id => 'api-' || n, p_run_type => 'api') from generate_series(3, 4) as n;
select tests.step_clock('1 minute');
select pg_temp.complete(:'plain', 6, false), pg_temp.complete(:'careful', 6, true);
select is(pg_temp.complete(:'plain', 4, false, ''), pg_temp.complete(:'careful', 4, true, ''), 'An empty text is no file to either');
select is(pg_temp.left_behind(:'plain'), pg_temp.left_behind(:'careful'), 'The last task of a pool ends alike');
select is_empty('select * from fairlane_core.drift()', 'Neither way of completing leaves drift');

-- TEST: the plain way is taken
select tests.claim(p_worker_id => 'gpu-' || n, p_run_type => 'gpu') from generate_series(9, 10) as n;
drop function fairlane_core.complete_general;
select lives_ok(
  format('select pg_temp.complete(%L, 5, false)', :'plain'), 'A plain completion does without the careful one'
);
select throws_ok(
  format('select pg_temp.complete(%L, 9, false)', :'plain'), '42883', null, 'A repeated one does not'
);

select * from finish();
rollback;
