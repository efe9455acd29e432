-- A queue as it is after some use: every status, both pools, families, dependencies, tokens, logs, beats, a setting that
-- an operator has changed. As the roles that write such rows.
insert into public.users (id, credits, max_in_progress) values
  ('00000000-0000-4000-8000-00000000000a', 100, 20),
  ('00000000-0000-4000-8000-00000000000b', 0, null),
  ('00000000-0000-4000-8000-00000000000c', 5, 1);
insert into public.projects (id, user_id, name)
select ('00000000-0000-4000-9000-' || right(u.id::text, 12))::uuid, u.id, 'Project' from public.users as u;
insert into public.user_api_tokens (user_id, label, token_hash)
values ('00000000-0000-4000-8000-00000000000a', 'Mac', encode(sha256('restored-token'), 'hex'));
update fairlane_core.settings set default_task_limit = 7;
update public.task_types set max_attempts = 2 where name = 'travel_segment';

insert into public.tasks (id, task_type, project_id, params, priority, run_type, available_at)
select
  ('00000000-0000-4000-a000-' || lpad(n::text, 12, '0'))::uuid,
  case when n % 4 = 0 then 'qwen_image_edit' else 'travel_segment' end,
  ('00000000-0000-4000-9000-' || lpad((array['a', 'b', 'c'])[1 + n % 3], 12, '0'))::uuid,
  jsonb_build_object('n', n, 'seed', 9223372036854775807), n % 5,
  case when n % 7 = 0 then 'local' else 'cloud' end,
  case when n % 11 = 0 then now() + interval '1 day' end
from generate_series(1, 60) as n;

-- A family that is under way, and one task that waits for two others.
insert into public.tasks (id, task_type, project_id, params)
values (
  '00000000-0000-4000-b000-000000000001', 'travel_orchestrator', '00000000-0000-4000-9000-00000000000a',
  '{"orchestrator_details": {"num_new_segments_to_generate": 2}}'
);
set role service_role;
select public.func_worker_heartbeat_with_logs(
  '{"worker_id_param": "gpu-family", "logs_param": [{"level": "INFO", "message": "hello"}]}'
);
select public.update_task_status(
  '{"kind": "service"}', (c.reply ->> 'task_id')::uuid, 'In Progress', 'Successfully enqueued 2 segments'
)
from (select public.claim_next_task('{"kind": "service"}', 'gpu-' || n) as reply from generate_series(1, 9) as n) as c
where c.reply ->> 'task_type' = 'travel_orchestrator';
reset role;
insert into public.tasks (id, task_type, project_id, params)
select
  ('00000000-0000-4000-b000-00000000000' || n)::uuid, 'travel_segment', '00000000-0000-4000-9000-00000000000a',
  jsonb_build_object('orchestrator_task_id_ref', '00000000-0000-4000-b000-000000000001', 'segment_index', n - 2)
from generate_series(2, 3) as n;
set role service_role;
select public.create_task(
  '{"kind": "service"}',
  '{
    "task_type": "travel_stitch", "project": "00000000-0000-4000-9000-00000000000a",
    "depends_on": ["00000000-0000-4000-b000-000000000002", "00000000-0000-4000-b000-000000000003"]
  }'
);

-- Endings of all kinds.
select public.complete_task('{"kind": "service"}', t.id, 'https://files.test/' || t.id || '.mp4')
from (select t.id from public.tasks as t where t.status = 'In Progress' and t.task_type = 'travel_segment' order by t.id limit 2) as t;
select public.update_task_status('{"kind": "service"}', t.id, 'Failed', 'out of memory')
from (select t.id from public.tasks as t where t.status = 'In Progress' and t.task_type = 'travel_segment' order by t.id limit 1) as t;
select public.update_task_status('{"kind": "service"}', t.id, 'Cancelled')
from (select t.id from public.tasks as t where t.status = 'Queued' and t.task_type = 'qwen_image_edit' order by t.id limit 2) as t;
select public.claim_next_task('{"kind": "service"}', 'api-worker-main', 'api');
select public.claim_next_task(
  jsonb_build_object('kind', 'token', 'hash', encode(sha256('restored-token'), 'hex')), 'mac'
);
reset role;
select fairlane_core.run_job('sweep');
select fairlane_core.run_job('advance_status_totals');
