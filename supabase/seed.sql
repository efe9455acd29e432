-- Demo data for `npm start` and `supabase db reset`: two users, and the payloads of two real incidents.
-- Dana's personal token, for trying out what a user's own machine sees: tq_demo_token_of_dana_for_local_use_only

insert into public.users (id, credits, settings) values
  ('11111111-1111-4111-8111-111111111111', 100, '{"ui": {"generationMethods": {"inCloud": true, "onComputer": true}}}'),
  ('22222222-2222-4222-8222-222222222222', 25, null)
on conflict do nothing;

insert into public.projects (id, user_id, name) values
  ('f3c36ed6-eeb4-4259-8f67-b8260efd1c0e', '11111111-1111-4111-8111-111111111111', 'Dana: bus through the countryside'),
  ('22222222-2222-4222-8222-2222222222aa', '22222222-2222-4222-8222-222222222222', 'Robin: portraits')
on conflict do nothing;

insert into public.user_api_tokens (user_id, label, token_hash, token_prefix) values (
  '11111111-1111-4111-8111-111111111111',
  'demo',
  encode(sha256(convert_to('tq_demo_token_of_dana_for_local_use_only', 'UTF8')), 'hex'),
  'tq_demo_'
)
on conflict do nothing;

-- The join that failed without a word (docs/incidents.md, 3).
insert into public.tasks (id, task_type, priority, project_id, params) values (
  '4ef4789d-04c7-47f2-a2d2-751402f64657',
  'join_clips',
  1, -- the first that a gpu worker gets: it leaves a generation to look at
  'f3c36ed6-eeb4-4259-8f67-b8260efd1c0e',
  '{
  "seed": -1,
  "model": "lightning_baseline_2_2_2",
  "prompt": "smooth camera glide between scenes",
  "run_id": "20251010173602534",
  "priority": 0,
  "guidance_scale": 3,
  "gap_frame_count": 33,
  "negative_prompt": "",
  "ending_video_path": "https://example.supabase.co/storage/v1/object/public/image_uploads/join-clips/f3c36ed6-eeb4-4259-8f67-b8260efd1c0e/1759979300478-ending-0huzxs.mp4",
  "context_frame_count": 10,
  "num_inference_steps": 6,
  "starting_video_path": "https://example.supabase.co/storage/v1/object/public/image_uploads/join-clips/f3c36ed6-eeb4-4259-8f67-b8260efd1c0e/1759979314012-starting-zur35tv.mp4",
  "orchestrator_task_id": "join_clips_25101017_bf9403"
}'
)
on conflict do nothing;

-- The orchestrator that killed every worker that took it (docs/incidents.md, 1).
insert into public.tasks (id, task_type, project_id, params) values (
  '306199b3-566d-49e5-8dd7-e2d57ab9c61b',
  'travel_orchestrator',
  'f3c36ed6-eeb4-4259-8f67-b8260efd1c0e',
  '{
  "orchestrator_details": {
    "steps": 6,
    "run_id": "20251007172622406",
    "shot_id": "d66e2581-7516-453c-8650-9b56a1baa480",
    "seed_base": 611601,
    "model_name": "lightning_baseline_2_2_2",
    "base_prompt": "zooming in on a bus that''s driving through the countryside",
    "advanced_mode": false,
    "apply_causvid": false,
    "enhance_prompt": true,
    "generation_mode": "batch",
    "accelerated_mode": false,
    "amount_of_motion": 0.5,
    "dimension_source": "firstImage",
    "apply_reward_lora": false,
    "use_lighti2x_lora": false,
    "debug_mode_enabled": false,
    "colour_match_videos": false,
    "orchestrator_task_id": "sm_travel_orchestrator_25100717_e2b2c4",
    "parsed_resolution_wh": "768x576",
    "use_styleboost_loras": false,
    "base_prompts_expanded": [
      "zooming in on a bus that''s driving through the countryside",
      "zooming in on a bus that''s driving through the countryside",
      "zooming in on a bus that''s driving through the countryside"
    ],
    "frame_overlap_expanded": [
      10,
      10,
      10
    ],
    "segment_frames_expanded": [
      60,
      60,
      60
    ],
    "num_new_segments_to_generate": 3,
    "input_image_paths_resolved": [
      "https://example.supabase.co/storage/v1/object/public/image_uploads/8a9fdac5-ed89-482c-aeca-c3dd7922d53c/27ba1029-a246-4fcb-a715-c62bc0969071-u1_8f22c97f-23d8-407b-94c4-98c3c62c9a59.jpeg",
      "https://example.supabase.co/storage/v1/object/public/image_uploads/8a9fdac5-ed89-482c-aeca-c3dd7922d53c/650357b4-6cf6-4453-9e34-833ac8869144-u2_f7921019-0ccf-49af-904d-276f4bdb1f21.jpeg",
      "https://example.supabase.co/storage/v1/object/public/image_uploads/8a9fdac5-ed89-482c-aeca-c3dd7922d53c/f61cdd66-d282-4eee-9892-c25d8a7a2f55-u1_ee9039dd-442b-495d-8fae-14e1fc7158d5.jpeg",
      "https://example.supabase.co/storage/v1/object/public/image_uploads/8a9fdac5-ed89-482c-aeca-c3dd7922d53c/23d4b5b0-0141-4d2f-bc9a-e44e82b9c867-u1_bf75e138-fb6e-49f4-bc4d-52e92a726a00.jpeg"
    ]
  }
}'
)
on conflict do nothing;

-- Work for the api pool and for a second user.
insert into public.tasks (id, task_type, project_id, params) values
  ('22222222-2222-4222-8222-000000000001', 'qwen_image_edit', '22222222-2222-4222-8222-2222222222aa', '{"prompt": "warmer light", "seed": 9007199254740993}'),
  ('22222222-2222-4222-8222-000000000002', 'travel_segment', '22222222-2222-4222-8222-2222222222aa', '{"segment_index": 0, "seed": 611601}')
on conflict do nothing;
