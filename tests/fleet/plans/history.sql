-- A queue that has run for two months: history.tasks tasks, of which one in a hundred is live, families of ten rows,
-- 400 owners, 2,000 workers and 200,000 log lines. Row triggers are skipped (150 µs each); what they would have
-- derived is written out here, and the counters are counted once at the end.
create temporary table history as
select
  i,
  i / 10 as family,
  i % 10 as part,
  md5('task ' || i)::uuid as id,
  md5('task ' || i - i % 10)::uuid as orchestrator_id,
  md5('owner ' || i / 10 % 400)::uuid as owner,
  now() - interval '60 days' * (1 - i / current_setting('history.tasks')::double precision) as created_at,
  i >= current_setting('history.tasks')::integer * 0.99 as is_live
from generate_series(0, current_setting('history.tasks')::integer - 1) as i;

insert into public.users (id, credits)
select md5('owner ' || n)::uuid, 100 from generate_series(0, 399) as n;
insert into public.projects (id, user_id) select u.id, u.id from public.users as u;
insert into public.workers (id, instance_type, status, last_heartbeat, created_at, metadata)
select
  'gpu-20260111_120000-' || lpad(n::text, 8, '0'), 'gpu',
  case when n >= 1990 then 'active' when n >= 1985 then 'error' else 'terminated' end,
  now() - interval '60 days' * (1 - n / 2000.0),
  now() - interval '60 days' * (1 - n / 2000.0) - interval '3 hours',
  jsonb_build_object('orchestrator_status', 'active', 'runpod_id', md5(n::text), 'ram_tier', 60, 'vram_total_mb', 24564)
from generate_series(0, 1999) as n;

insert into public.tasks (
  id, task_type, params, status, project_id, user_id, dependant_on, worker_id, output_location, error_message, attempts,
  created_at, updated_at, claimed_at, generation_started_at, generation_processed_at, pool, takes_slot, readiness
)
select
  h.id, k.task_type,
  case
    when h.part in (1, 2, 3, 4, 5, 9) then jsonb_build_object(
      'orchestrator_task_id_ref', h.orchestrator_id, 'orchestrator_run_id', to_char(h.created_at, 'YYYYMMDDHH24MISS'),
      'segment_index', h.part - 1, 'parent_generation_id', md5('generation ' || h.family),
      'orchestrator_details', jsonb_build_object(
        'orchestrator_task_id', 'test_travel_' || h.family, 'run_id', to_char(h.created_at, 'YYYYMMDDHH24MISS'),
        'num_new_segments_to_generate', 4, 'model_name', 'wan_2_2_i2v_lightning'
      )
    )
    else '{}'
  end || jsonb_build_object(
    'model', 'wan_2_2_i2v_lightning', 'seed', h.i, 'prompt', 'A quiet lake at dawn, take ' || h.i,
    'negative_prompt', 'blurry, low quality, watermark', 'resolution', '896x496', 'num_inference_steps', 6,
    'guidance_scale', 3, 'input_image_paths_resolved', jsonb_build_array(
      'https://example.supabase.co/storage/v1/object/public/images/' || h.i || '.png',
      'https://example.supabase.co/storage/v1/object/public/images/' || h.i + 1 || '.png'
    )
  ),
  s.status, h.owner, h.owner,
  case when h.part in (2, 3, 4, 5) then md5('task ' || h.i - 1)::uuid end,
  case
    when s.status = 'Queued' then null
    when k.pool = 'api' then 'api-worker-main'
    when h.is_live then 'gpu-20260111_120000-' || lpad((1990 + h.family % 10)::text, 8, '0')
    else 'gpu-20260111_120000-' || lpad((h.family % 1990)::text, 8, '0')
  end,
  case s.status when 'Complete' then 'https://example.com/' || h.i || '.mp4' when 'Failed' then 'out of memory' end,
  case s.status when 'Failed' then 'out of memory' end,
  case s.status when 'Queued' then 0 else 1 end,
  h.created_at, h.created_at + interval '5 minutes',
  case when s.status <> 'Queued' then h.created_at + interval '1 minute' end,
  case when s.status <> 'Queued' then h.created_at + interval '1 minute' end,
  case when s.status = 'Complete' then h.created_at + interval '5 minutes' end,
  k.pool, k.takes_slot,
  case
    when s.status = 'In Progress' then 'active'
    when s.status = 'Queued' and h.part in (2, 3, 4, 5) then 'dependency_pending'
    when s.status = 'Queued' then 'ready'
  end
from history as h
  cross join lateral (
    select
      case
        when h.part = 0 then 'travel_orchestrator'
        when h.part = 5 then 'travel_stitch'
        when h.part in (6, 7, 8) then 'qwen_image_edit'
        when h.part = 9 and h.family % 1000 = 0 then 'test'
        when h.part = 9 then 'join_clips_segment'
        else 'travel_segment'
      end as task_type,
      case when h.part in (6, 7, 8) then 'api' else 'gpu' end as pool,
      h.part <> 0 as takes_slot
  ) as k
  cross join lateral (
    select
      case
        when h.is_live and h.family % 10 = 0 then 'In Progress'
        when h.is_live then 'Queued'
        when h.i % 50 = 17 then 'Failed'
        when h.i % 100 = 33 then 'Cancelled'
        else 'Complete'
      end as status
  ) as s;

insert into fairlane_core.task_dependencies (task_id, depends_on)
select t.id, t.dependant_on from public.tasks as t where t.dependant_on is not null;

select fairlane_core.apply_counter_deltas(array_agg(c::fairlane_core.counter_delta), now() - interval '12 hours')
from (
  select t.user_id, t.pool, true, t.takes_slot, t.readiness, count(*)::integer
  from public.tasks as t
  where t.readiness is not null
  group by t.user_id, t.pool, t.takes_slot, t.readiness
) as c;

insert into public.system_logs
  ("timestamp", source_type, source_id, log_level, message, task_id, worker_id, cycle_number, metadata)
select
  now() - interval '48 hours' * (1 - n / 200000.0),
  case when n % 4 = 0 then 'orchestrator_gpu' else 'worker' end,
  case when n % 4 = 0 then 'main' else 'gpu-20260111_120000-' || lpad((1950 + n % 50)::text, 8, '0') end,
  case when n % 100 = 1 then 'ERROR' else 'INFO' end,
  'Line ' || n || ' of a worker that says what it does, step by step',
  case when n % 4 = 1 then md5('task ' || r.tasks / 100 * 99 + n % (r.tasks / 100))::uuid end,
  case when n % 4 <> 0 then 'gpu-20260111_120000-' || lpad((1950 + n % 50)::text, 8, '0') end,
  case when n % 4 = 0 then n / 40 end,
  '{"module": "worker", "lineno": 7}'
from generate_series(1, 200000) as n
  cross join (select current_setting('history.tasks')::integer as tasks) as r;

drop table history;
