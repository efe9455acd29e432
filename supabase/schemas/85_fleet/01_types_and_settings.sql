-- What ships only for today's fleet: its pools, its task types, the names that its workers send, its settings.

-- The pools of the fleet (fairlane_core.pools).
alter table fairlane.task_types drop constraint task_types_run_type_is_known;
alter table fairlane.task_types add constraint task_types_run_type_is_known check (run_type in ('gpu', 'api', 'banodoco'));
alter table fairlane_core.settings drop constraint settings_paused_pools_are_pools;
alter table fairlane_core.settings add constraint settings_paused_pools_are_pools check (paused_pools <@ array['gpu', 'api', 'banodoco']);

-- The types that today's fleet runs, defined only here (docs/operations.md, "Types of task"). An existing row stays as
-- it is: operators change types with fairlane.set_task_type. Of the categories only orchestration has an effect.
insert into fairlane.task_types (name, run_type, category, content_type, creates_generation)
values
  -- Families: orchestrators enqueue the parts, and the last part provides their result.
  ('travel_orchestrator', 'gpu', 'orchestration', 'video', false),
  ('join_clips_orchestrator', 'gpu', 'orchestration', 'video', false),
  ('edit_video_orchestrator', 'gpu', 'orchestration', 'video', false),
  ('travel_segment', 'gpu', 'generation', 'video', true),
  ('travel_stitch', 'gpu', 'generation', 'video', true),
  ('join_clips', 'gpu', 'generation', 'video', true),
  ('join_clips_segment', 'gpu', 'generation', 'video', true),
  ('join_final_stitch', 'gpu', 'generation', 'video', true),
  ('individual_travel_segment', 'gpu', 'generation', 'video', true),
  ('edit_video_segment', 'gpu', 'processing', 'video', true),
  -- Run by API workers.
  ('wan_2_2_i2v', 'api', 'generation', 'video', true),
  ('wan_2_2_t2i', 'api', 'generation', 'image', true),
  ('animate_character', 'api', 'generation', 'video', true),
  ('qwen_image', 'api', 'generation', 'image', true),
  ('qwen_image_2512', 'api', 'generation', 'image', true),
  ('qwen_image_edit', 'api', 'generation', 'image', true),
  ('qwen_image_style', 'api', 'generation', 'image', true),
  ('z_image_turbo', 'api', 'generation', 'image', true),
  ('z_image_turbo_i2i', 'api', 'generation', 'image', true),
  ('flux_klein_edit', 'api', 'generation', 'image', true),
  ('image_inpaint', 'api', 'processing', 'image', true),
  ('annotated_image_edit', 'api', 'processing', 'image', true),
  ('image_upscale', 'api', 'processing', 'image', true),
  ('image-upscale', 'api', 'processing', 'image', true),
  ('video_enhance', 'api', 'processing', 'video', true),
  ('video_upscale', 'api', 'generation', 'video', true),
  -- Run by a service of its own.
  ('banodoco_timeline_generate', 'banodoco', 'utility', null, false),
  ('banodoco_render_timeline', 'banodoco', 'generation', 'video', true),
  -- Direct runs of a model.
  ('magic_edit', 'gpu', 'generation', 'image', true),
  ('flux', 'gpu', 'generation', 'image', true),
  ('qwen_image_hires', 'gpu', 'generation', 'image', true),
  ('t2v', 'gpu', 'generation', 'video', true),
  ('t2v_22', 'gpu', 'generation', 'video', true),
  ('i2v', 'gpu', 'generation', 'video', true),
  ('i2v_22', 'gpu', 'generation', 'video', true),
  ('vace', 'gpu', 'generation', 'video', true),
  ('vace_21', 'gpu', 'generation', 'video', true),
  ('vace_22', 'gpu', 'generation', 'video', true),
  ('hunyuan', 'gpu', 'generation', 'video', true),
  ('ltxv', 'gpu', 'generation', 'video', true),
  ('ltx2', 'gpu', 'generation', 'video', true),
  ('generate_video', 'gpu', 'generation', 'video', true),
  ('video_generation', 'gpu', 'generation', 'video', true),
  -- File operations.
  ('inpaint_frames', 'gpu', 'processing', 'video', true),
  ('create_visualization', 'gpu', 'processing', 'video', true),
  ('rife_interpolate_images', 'gpu', 'processing', 'video', true),
  ('comfy', 'gpu', 'processing', 'video', true),
  ('extract_frame', 'gpu', 'utility', 'image', false),
  ('wgp', 'gpu', 'processing', 'video', false),
  ('lora_training', 'gpu', 'processing', null, false),
  -- Types of older clients, and one of a debug script.
  ('single_image', 'gpu', 'generation', 'image', true),
  ('image_edit', 'gpu', 'generation', 'image', true),
  ('edit_travel_kontext', 'gpu', 'generation', 'image', true),
  ('edit_travel_flux', 'gpu', 'generation', 'image', true),
  ('test', 'gpu', 'utility', null, false)
on conflict (name) do nothing;

-- Types of API workers that GPU workers can also run: machines of the task's owner run them
-- (fairlane_core.is_served_by).
update fairlane.task_types as y
set runs_on_own_gpu = true
where y.run_type = 'api'
  and y.name in (
    'wan_2_2_t2i', 'qwen_image', 'qwen_image_2512', 'qwen_image_edit', 'qwen_image_style', 'z_image_turbo',
    'z_image_turbo_i2i', 'image_inpaint', 'annotated_image_edit'
  );

-- Workers of 30 and 31 March sent family names that the backend of those two days translated into types
-- (docs/contract.md, 16). A stitch of a travel job and one of joins came under one name; the parent tells them apart. A
-- join's orchestrator has orchestrator_details; a plain join_clips has none, and keeps its type.
insert into fairlane_core.family_names (family, parent_type, having_param, task_type)
values
  ('join_clips', '', 'orchestrator_details', 'join_clips_orchestrator'),
  ('individual_travel_segment', 'travel_orchestrator', '', 'travel_segment'),
  ('crossfade_join', 'travel_orchestrator', '', 'travel_stitch'),
  ('crossfade_join', 'join_clips_orchestrator', '', 'join_final_stitch'),
  ('crossfade_join', 'edit_video_orchestrator', '', 'join_final_stitch')
on conflict do nothing;

-- Settings of today's fleet that differ from the defaults of the tables (docs/operations.md, "Settings"). Set as column
-- defaults, so that a lost row that is created again (fairlane_core.rebuild, fairlane_core.missing_rows) has them, too.
-- A family with a failed child has no result; the backend that these clients know ends it as well. Users, projects and
-- credits belong to the app.
alter table fairlane_core.settings
  alter column registers_owners set default false,
  alter column requires_credits set default true,
  alter column owners_are_accounts set default false,
  alter column fails_siblings set default true,
  alter column shared_worker_ids set default array['gpu-20250723_221138-afa8403b', 'local-worker', 'token-worker'];
update fairlane_core.settings
set registers_owners = default, requires_credits = default, owners_are_accounts = default, fails_siblings = default, shared_worker_ids = default;

comment on column fairlane_core.settings.fails_siblings is
  'Whether the queued children of an orchestrator that failed, for instance because one of them did, fail with it; running ones go on. Default false: all go on. The fleet ships true.';

-- The whole project belongs to the queue: a restore also creates its bucket and its jobs (fairlane_core.rebuild).
create or replace function fairlane_core.restore_surroundings()
returns void
language plpgsql
volatile
security invoker -- the jobs belong to the caller
set search_path = ''
as $$
begin
  perform fairlane_core.make_bucket();
  if to_regclass('cron.job') is null then
    create extension pg_cron;
  end if;
  perform fairlane_core.schedule_jobs();
end;
$$;
