-- What the fleet of today runs: the one place that says so (docs/operations.md, "Types of task"). A row that is there
-- already stays as it is: operators change types with public.set_task_type. Of a category only orchestration has an effect.
insert into public.task_types (name, run_type, category, content_type, creates_generation)
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
on conflict (name) do nothing;

-- Of the types of API workers those that GPU workers know, too: machines of the task's owner run them (queue.is_served_by).
update public.task_types as y
set runs_on_own_gpu = true
where y.run_type = 'api'
  and y.name in (
    'wan_2_2_t2i', 'qwen_image', 'qwen_image_2512', 'qwen_image_edit', 'qwen_image_style', 'z_image_turbo',
    'z_image_turbo_i2i', 'image_inpaint', 'annotated_image_edit'
  );
