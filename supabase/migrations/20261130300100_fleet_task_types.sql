-- What: a row of public.task_types for each type that the deployed fleet enqueues, as in supabase/schemas/0503.
-- Why: without one, work of the API workers went to GPU workers, and its results were recorded nowhere.
-- Back out: delete those rows that were not there before; nothing depends on them.

set lock_timeout = '900ms';

-- One by one, so that nobody waits for long while live tasks of a type follow it. What an operator has written stays.
do $$
declare
  v_type record;
begin
  for v_type in
    select y.*
    from (
values
  -- Families: orchestrators enqueue the parts, the last part's result is theirs.
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
  -- Steps on files.
  ('inpaint_frames', 'gpu', 'processing', 'video', true),
  ('create_visualization', 'gpu', 'processing', 'video', true),
  ('rife_interpolate_images', 'gpu', 'processing', 'video', true),
  ('comfy', 'gpu', 'processing', 'video', true),
  ('extract_frame', 'gpu', 'utility', 'image', false),
  ('wgp', 'gpu', 'processing', 'video', false),
  ('lora_training', 'gpu', 'processing', null, false),
  -- Of clients before these; and what a debug script enqueues.
  ('single_image', 'gpu', 'generation', 'image', true),
  ('image_edit', 'gpu', 'generation', 'image', true),
  ('edit_travel_kontext', 'gpu', 'generation', 'image', true),
  ('edit_travel_flux', 'gpu', 'generation', 'image', true),
  ('test', 'gpu', 'utility', null, false)
    ) as y (name, run_type, category, content_type, creates_generation)
  loop
    insert into public.task_types (name, run_type, category, content_type, creates_generation)
    values (v_type.name, v_type.run_type, v_type.category, v_type.content_type, v_type.creates_generation)
    on conflict (name) do nothing;
    commit;
  end loop;
end;
$$;

-- As they were first shipped; it has no effect on tasks.
update public.task_types as y
set content_type = 'video'
where y.name in ('travel_orchestrator', 'join_clips_orchestrator')
  and (y.run_type, y.category, y.content_type, y.creates_generation) is not distinct from ('gpu', 'orchestration', null, false);
