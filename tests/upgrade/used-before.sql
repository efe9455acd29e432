-- A queue in use as the migrations up to 20261128180400 left it: every state and standing, machines and tokens at work,
-- families under way, and what was allowed then and no longer is. As the roles that wrote such rows.
insert into public.users (id, credits, max_in_progress, settings)
select
  ('0a000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid,
  case when i % 9 = 8 then 0 else 100 end,
  case i % 5 when 1 then 2147483647 when 2 then 0 when 3 then 7 end,
  case when i % 10 = 9 then '{"ui": {"generationMethods": {"inCloud": false}}}'::jsonb end
from generate_series(1, 40) as i;
insert into public.projects (id, user_id, name, created_at)
select
  ('0c000000-0000-4000-8000-' || right(u.id::text, 12))::uuid, u.id, repeat('Lighthouse ', 30), '9999-12-31'::timestamptz
from public.users as u;
insert into public.projects (user_id, name)
select '0a000000-0000-4000-8000-000000000003', 'Project ' || i from generate_series(1, 1001) as i;
insert into public.user_api_tokens (user_id, label, token_hash, expires_at, revoked_at)
select
  '0a000000-0000-4000-8000-000000000001', repeat('Machine ', 100), encode(sha256(('token-' || i)::bytea), 'hex'),
  case when i = 24 then '2020-01-01'::timestamptz when i = 25 then '9999-12-31' end,
  case when i = 23 then '2026-01-01'::timestamptz end
from generate_series(1, 25) as i;

insert into public.task_types (name, run_type, category, max_attempts, timeout)
values
  ('odd_type', 'gpu', 'processing', 2147483647, interval '1000 years'),
  (repeat('type', 250), 'api', 'processing', null, null),
  ('type_on_holiday', 'gpu', 'processing', null, null);
update queue.settings
set max_attempts = 2147483647,
  stale_after = interval '200 years', log_retention = interval '200 years', event_retention = interval '200 years',
  max_affinity_wait = interval '200 years',
  worker_start_limit = interval '200 years', retry_delay = interval '1 second', max_retry_delay = interval '200 years',
  quiet_task_limit = interval '200 years', dependency_grace = interval '200 years',
  family_quiet_after = interval '200 years';

-- The bulk of it.
insert into public.tasks (
  id, task_type, project_id, params, priority, run_type, available_at, created_at, max_attempts, timeout, idempotency_key
)
select
  ('0b000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid,
  case
    when i % 50 = 7 then 'odd_type'
    when i % 50 = 8 then 'type_on_holiday'
    when i % 4 = 0 then 'qwen_image_edit'
    else 'travel_segment'
  end,
  case when i % 300 > 0 then ('0c000000-0000-4000-8000-' || lpad((1 + i % 40)::text, 12, '0'))::uuid end,
  jsonb_build_object('n', i, 'model', 'model-' || i % 3),
  case i % 100 when 31 then 2147483647 when 32 then -2147483648 else i % 7 end,
  case when i % 6 = 0 then 'local' else 'cloud' end,
  case i % 20 when 3 then now() + interval '1 day' when 4 then now() - interval '1 day' when 5 then '9999-12-31' end,
  case when i % 25 = 6 then now() - interval '300 years' else now() - i * interval '1 second' end,
  case when i % 90 = 11 then 2147483647 end,
  case when i % 90 = 12 then interval '5000 years' end,
  case when i % 90 = 13 then repeat('key', 200) || i end
from generate_series(1, 2960) as i;
update public.task_types set is_active = false where name = 'type_on_holiday';

-- What create-task would refuse now.
insert into public.tasks (id, task_type, project_id, params, priority)
select
  ('0e000000-0000-4000-8000-' || lpad(o.n::text, 12, '0'))::uuid, o.task_type,
  '0c000000-0000-4000-8000-000000000001', o.params, 1000000 + o.n
from (
  values
    (1, 'wgp', (select jsonb_build_object('numbers', jsonb_agg('1e9000'::jsonb)) from generate_series(1, 300))),
    (2, 'wgp', (repeat('{"level":', 500) || '1' || repeat('}', 500))::jsonb),
    (3, repeat('type', 250), '{}'),
    (4, (select string_agg(md5(i::text), '') from generate_series(1, 200) as i), '{}'),
    (5, (select string_agg(md5(i::text), '') from generate_series(1, 200) as i), '{}'),
    (6, '', '{}')
) as o (n, task_type, params);

-- One waits for a task that is queued, one for a task that will fail, one for a chain.
insert into public.tasks (task_type, project_id, dependant_on, params)
select
  'travel_stitch', t.project_id, t.id, '{}'
from public.tasks as t
where t.id in (
  '0b000000-0000-4000-8000-000000000100', '0b000000-0000-4000-8000-000000000160', '0b000000-0000-4000-8000-000000000201',
  '0b000000-0000-4000-8000-000000000202'
);

-- Families: 1 before it hands over, 2 and 3 handed over, 4 ended.
insert into public.tasks (id, task_type, project_id, params, priority)
select
  ('0d000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, 'travel_orchestrator',
  ('0c000000-0000-4000-8000-' || lpad((1 + i % 2 * 5)::text, 12, '0'))::uuid,
  '{"orchestrator_details": {"num_new_segments_to_generate": 2}}', 2000000
from generate_series(1, 6) as i;

set role service_role;
select public.func_worker_heartbeat_with_logs(
  jsonb_build_object('worker_id_param', 'gpu-' || i, 'logs_param', '[{"level": "INFO", "message": "hello"}]'::jsonb)::json
)
from generate_series(1, 40) as i;
select public.claim_next_task('{"kind": "service"}', 'gpu-' || i) from generate_series(1, 60) as i;
select public.claim_next_task('{"kind": "service"}', 'api-worker-main', 'api') from generate_series(1, 10) as i;
select public.claim_next_task(jsonb_build_object('kind', 'token', 'hash', encode(sha256('token-1'), 'hex')), 'mac')
from generate_series(1, 3) as i;
select public.claim_next_task(jsonb_build_object('kind', 'token', 'hash', encode(sha256('token-2'), 'hex')), 'gpu-1');

select public.update_task_status('{"kind": "service"}', t.id, 'In Progress', 'Successfully enqueued 2 segments')
from public.tasks as t
where t.id in (
  '0d000000-0000-4000-8000-000000000002', '0d000000-0000-4000-8000-000000000003', '0d000000-0000-4000-8000-000000000004'
) and t.status = 'In Progress';
reset role;
insert into public.tasks (task_type, project_id, params)
select
  'travel_segment', o.project_id, jsonb_build_object('orchestrator_task_id_ref', o.id, 'segment_index', n)
from public.tasks as o
  cross join generate_series(0, 1) as n
where o.task_type = 'travel_orchestrator'
  and o.id <> '0d000000-0000-4000-8000-000000000006';

-- Endings of all kinds, hand-backs, and machines of every state.
set role service_role;
select public.complete_task('{"kind": "service"}', t.id, 'https://files.test/' || t.id || '.mp4')
from (
  select t.id from public.tasks as t
  where t.status = 'In Progress' and t.task_type in ('travel_segment', 'qwen_image_edit') and t.token_id is null
  order by t.id limit 12
) as t;
select public.update_task_status('{"kind": "service"}', t.id, 'Failed', 'out of memory')
from (
  select t.id from public.tasks as t
  where t.status = 'In Progress' and t.task_type in ('travel_segment', 'qwen_image_edit') and t.token_id is null
  order by t.id limit 4
) as t;
update public.tasks set status = 'Queued', error_message = 'handed back'
where id in (
  select t.id from public.tasks as t
  where t.status = 'In Progress' and t.task_type in ('travel_segment', 'qwen_image_edit') and t.token_id is null
  order by t.id desc limit 4
);
update public.tasks set status = 'Failed', error_message = 'broken' where id = '0b000000-0000-4000-8000-000000000160';
update public.tasks set status = 'Cancelled'
where id in (
  '0b000000-0000-4000-8000-000000000301', '0b000000-0000-4000-8000-000000000302', '0d000000-0000-4000-8000-000000000004'
);
update public.workers as w
set status = (array['terminated', 'error', 'crashed', 'active', 'inactive', 'terminating'])[1 + right(w.id, 1)::integer % 6]
where w.id like 'gpu-3_';
update public.workers set created_at = '2025-01-01', last_heartbeat = '2025-01-02' where id in ('gpu-30', 'gpu-31', 'gpu-32');
insert into public.workers (id, status, created_at)
values (repeat('w', 1000), 'spawning', '9999-12-31'), ('gpu-born', 'spawning', now()), ('gpu-long-gone', 'terminated', '2025-01-01');
reset role;
-- The history tells of a user who is gone.
delete from public.users where id = '0a000000-0000-4000-8000-000000000040';
select queue.run_job('sweep');
select queue.run_job('count_on');
