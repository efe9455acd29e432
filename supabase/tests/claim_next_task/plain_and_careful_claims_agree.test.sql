begin;
select plan(6);

-- The plain claim is one statement of its own (fairlane_core.claim_next_task), every other one takes fairlane_core.start_task. Two users
-- with the same work are served, one in each way.

-- SETUP: what a claim leaves behind, less what must differ
create function pg_temp.left_behind(p_user_id uuid) returns jsonb language sql as $$
  select jsonb_build_object(
    'tasks', (
      select jsonb_agg(
        to_jsonb(t) - array['id', 'project_id', 'user_id', 'worker_id', 'lease_token', 'claimed_at',
          'generation_started_at', 'updated_at', 'created_at']
        || jsonb_build_object(
          'has_lease', t.lease_token is not null,
          'times', array[t.claimed_at = fairlane_core.now(), t.generation_started_at = fairlane_core.now(), t.updated_at = fairlane_core.now()]
        )
        order by t.priority
      )
      from public.tasks as t where t.user_id = p_user_id
    ),
    'slots', (select to_jsonb(s) - 'user_id' from fairlane_core.user_slots as s where s.user_id = p_user_id),
    'queues', (
      select jsonb_agg(to_jsonb(l) - array['user_id', 'last_served_at'] || jsonb_build_object('was_served', l.last_served_at = fairlane_core.now()) order by l.pool)
      from fairlane_core.user_queues as l where l.user_id = p_user_id
    ),
    'events', (
      select jsonb_agg(to_jsonb(e) - array['id', 'task_id', 'user_id', 'worker_id', 'at'] || jsonb_build_object('now', e.at = fairlane_core.now()) order by e.id)
      from public.task_events as e where e.user_id = p_user_id and e.to_status = 'In Progress'
    )
  );
$$;
-- The other user's line is closed while one is served; the clock stands still, so that both are served at one time.
create function pg_temp.claim_for(p_user_id uuid, p_other uuid, p_worker_id text, p_with_care boolean, p_pool text default 'gpu')
returns text[] language plpgsql as $$
declare
  v_reply json;
begin
  update public.users set credits = 0 where id = p_other;
  set local role service_role;
  if not p_with_care then
    v_reply := public.claim_next_task(tests.service(), p_worker_id, p_pool, 'once');
  end if;
  reset role;
  if p_with_care then
    v_reply := fairlane_core.claim_general(tests.service(), p_worker_id, p_pool, 'once', false, null, false);
  end if;
  update public.users set credits = 10 where id = p_other;
  return array(select k from json_object_keys(v_reply) as k) || array[v_reply ->> 'attempt', v_reply ->> 'task_type', v_reply ->> 'params'];
end;
$$;
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 2) as plain \gset
select tests.create_user(p_max_in_progress => 2) as careful \gset
insert into public.tasks (project_id, task_type, priority, params)
select p.id, w.task_type, w.priority, w.params
from (values (tests.create_project(:'plain')), (tests.create_project(:'careful'))) as p (id)
  cross join (values
    ('clip', 9, '{"seed": 9007199254740993}'::jsonb),
    ('film_orchestrator', 8, '{}'),
    ('clip', 7, '{}'),
    ('edit_image', 6, '{}')
  ) as w (task_type, priority, params);
select tests.step_clock('1 hour');

-- TEST: with a free slot left
select is(
  pg_temp.claim_for(:'plain', :'careful', 'gpu-1', false), pg_temp.claim_for(:'careful', :'plain', 'gpu-2', true),
  'A plain and a careful claim give the same answer'
);
select is(
  pg_temp.left_behind(:'plain'), pg_temp.left_behind(:'careful'), 'A plain and a careful claim leave the same behind'
);

-- TEST: an orchestration task takes no slot
select pg_temp.claim_for(:'plain', :'careful', 'gpu-3', false), pg_temp.claim_for(:'careful', :'plain', 'gpu-4', true);
select is(
  pg_temp.left_behind(:'plain'), pg_temp.left_behind(:'careful'), 'Orchestration is started alike by plain and careful claims'
);

-- TEST: the last slot, with work left in both pools
select pg_temp.claim_for(:'plain', :'careful', 'api-1', false, 'api'), pg_temp.claim_for(:'careful', :'plain', 'api-2', true, 'api');
select is(
  pg_temp.left_behind(:'plain'), pg_temp.left_behind(:'careful'), 'The last slot is taken alike by plain and careful claims'
);
select is(
  (select array_agg(s.running order by s.running) from fairlane_core.user_slots as s where s.cloud_reason = 'user_at_limit'),
  array[2, 2], 'Both users are at their limit then'
);
select is_empty('select * from fairlane_core.drift()', 'Neither way of claiming leaves drift');

select * from finish();
rollback;
