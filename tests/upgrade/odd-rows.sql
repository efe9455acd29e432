-- Rows that databases of August 2025 had or could have had, and that nobody would write today. For a database whose status
-- is text, with the users and projects of old-database-at-size.ts.
insert into public.users (id, credits, settings)
select
  ('0e000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, (array[0, -3, 5, 5, 5])[1 + i % 5],
  (array[
    null, '{"ui": {"generationMethods": {"inCloud": false}}}', '{"ui": {"generationMethods": {"onComputer": "no"}}}',
    '[]', '{"ui": null}', '{"ui": {"generationMethods": {"inCloud": 0, "onComputer": false}}}'
  ])[1 + i % 6]::jsonb
from generate_series(1, 50) as i;
insert into public.projects (id, user_id, name, created_at)
select u.id, u.id, repeat('Lighthouse ', 100), '2025-08-01' from public.users as u where u.id::text like '0e%';

alter table public.tasks alter column status drop not null;
insert into public.tasks (
  id, task_type, params, status, project_id, dependant_on, output_location, error_message, error_details, attempts,
  created_at, updated_at, generation_started_at, generation_processed_at, generation_created, result_data
)
select
  ('0f000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid,
  (array['travel_segment', 'qwen_image_edit', 'strange_orchestrator', 'strange_work', '', repeat('type', 250), 'edit_video_orchestrator'])[1 + i % 7],
  (array[
    null, '{}', '[1, 2]', '"text"', '"{\"model\": \"wan\"}"', '{"model": 7}', '{"orchestrator_task_id_ref": "no id"}',
    '{"orchestrator_task_id_ref": "0F000000-0000-4000-8000-000000000002", "segment_index": 3}',
    '{"orchestrator_task_id_ref": "0f000000-0000-4000-8000-000000000009", "join_index": "12345678901"}'
  ])[1 + i % 9]::jsonb,
  (array['Queued', 'In Progress', 'Complete', 'Failed', 'Cancelled', 'Pending', null, 'queued'])[1 + i % 8],
  case when i % 11 > 0 then ('0e000000-0000-4000-8000-' || lpad((1 + i % 50)::text, 12, '0'))::uuid end,
  case i % 13
    when 1 then ('0f000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid
    when 2 then '0f000000-0000-4000-8000-999999999999'
    when 3 then ('0f000000-0000-4000-8000-' || lpad((i + 1)::text, 12, '0'))::uuid
    when 4 then ('0f000000-0000-4000-8000-' || lpad((i - 1)::text, 12, '0'))::uuid
    when 5 then '0b000000-0000-4000-8000-000000000001'
  end,
  (array[null, '', 'https://files.test/odd', 'Step 16/20', repeat('x', 20000)])[1 + i % 5],
  (array[null, '', 'out of memory'])[1 + i % 3],
  (array[null, '', 'stack trace', repeat('y', 20000)])[1 + i % 4],
  (array[null, 0, 1, 2, 3, 99, -1])[1 + i % 7],
  case when i % 8 = 2 then 'infinity' else (array[null, '2025-08-01', '2025-10-16', '9999-12-31'])[1 + i % 4]::timestamptz end,
  case when i % 8 = 3 then 'infinity' else (array[null, '2025-08-02', '2025-08-03'])[1 + i % 3]::timestamptz end,
  (array[null, '2025-08-02', '1000-01-01'])[1 + i % 3]::timestamptz,
  (array[null, '2025-08-03'])[1 + i % 2]::timestamptz,
  (array[null, true, false])[1 + i % 3],
  (array[null, '{}', '[]', '7'])[1 + i % 4]::jsonb
from generate_series(1, 840) as i;

-- Families: an orchestrator that has reported, with a part that is there twice, one of them done.
insert into public.tasks (id, task_type, params, status, project_id, output_location, attempts, worker_id, created_at)
values
  (
    '0d000000-0000-4000-8000-000000000001', 'travel_orchestrator',
    '{"orchestrator_details": {"num_new_segments_to_generate": 2}}', 'In Progress', '0e000000-0000-4000-8000-000000000001',
    'Successfully enqueued 2 segments', 1, null, '2025-08-01'
  ),
  (
    '0d000000-0000-4000-8000-000000000002', 'join_clips_orchestrator', '{"orchestrator_details": {"clip_list": [1, 2, 3]}}',
    'In Progress', '0e000000-0000-4000-8000-000000000002', null, null, null, '2025-08-01'
  ),
  (
    '0d000000-0000-4000-8000-000000000003', 'travel_orchestrator', '{}', 'Queued', '0e000000-0000-4000-8000-000000000003', null,
    0, null, '2025-08-01'
  );
insert into public.tasks (id, task_type, params, status, project_id, created_at)
select
  ('0d100000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, c.task_type,
  jsonb_build_object('orchestrator_task_id_ref', upper('0d000000-0000-4000-8000-00000000000' || c.parent)) || c.params,
  c.status, ('0e000000-0000-4000-8000-00000000000' || c.parent)::uuid, '2025-08-01'::timestamptz + i * interval '1 minute'
from (
  values
    (1, 1, 'travel_segment', '{"segment_index": 0}'::jsonb, 'Queued'),
    (2, 1, 'travel_segment', '{"segment_index": 0}', 'Complete'),
    (3, 1, 'travel_segment', '{"segment_index": 1}', 'In Progress'),
    (4, 1, 'travel_segment', '{"segment_index": 1}', 'Queued'),
    (5, 1, 'travel_stitch', '{}', 'Queued'),
    (6, 2, 'join_clips_segment', '{"join_index": 0}', 'Complete'),
    (7, 2, 'join_clips_segment', '{"join_index": 1}', 'Failed'),
    (8, 3, 'travel_segment', '{"segment_index": 0}', 'Cancelled'),
    (9, 3, 'wgp', '{}', 'Complete')
) as c (i, parent, task_type, params, status);

insert into public.generations (id, project_id, location, created_at)
select
  ('0c000000-0000-4000-8000-00000000000' || g.i)::uuid, ('0e000000-0000-4000-8000-00000000000' || g.project)::uuid,
  'https://files.test/' || g.location, '2025-08-01'
from (values (1, 1, 'twice'), (2, 1, 'twice'), (3, 2, null), (4, null, 'odd'), (5, 1, 'of-a-task')) as g (i, project, location);
update public.tasks set output_location = 'https://files.test/of-a-task'
where id = '0d100000-0000-4000-8000-000000000002';
insert into public.user_api_tokens (id, user_id, token, label, created_at)
select
  ('0c100000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, '0e000000-0000-4000-8000-000000000001', 'pat-' || i, repeat('Machine ', 100), '2025-08-01'
from generate_series(1, 30) as i;
insert into public.system_logs (source_type, log_level, message, task_id, metadata, "timestamp")
select 'worker', 'ERROR', repeat('z', 5000), 'no id', '[]', '2025-08-01' from generate_series(1, 10);
alter table public.workers drop constraint if exists workers_status_check;
insert into public.workers (id, status, metadata, created_at, last_heartbeat)
values
  ('gone', 'terminated', '[]', '2025-08-01', '2025-08-02'), ('broken', 'error', '"text"', '2025-08-01', '2025-08-02'),
  ('odd', 'resting', null, '2025-08-01', 'infinity');
