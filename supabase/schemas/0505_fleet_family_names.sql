-- Workers of 30 and 31 March sent names of families that the backend of those two days made types of (docs/contract.md, 16).
-- A stitch of a travel job and one of joins came under one name; whose part it is tells them apart. A join's orchestrator has
-- its orchestrator_details; a plain join_clips has none, and stays what it is.
insert into queue.family_names (family, parent_type, having_param, task_type)
values
  ('join_clips', '', 'orchestrator_details', 'join_clips_orchestrator'),
  ('individual_travel_segment', 'travel_orchestrator', '', 'travel_segment'),
  ('crossfade_join', 'travel_orchestrator', '', 'travel_stitch'),
  ('crossfade_join', 'join_clips_orchestrator', '', 'join_final_stitch'),
  ('crossfade_join', 'edit_video_orchestrator', '', 'join_final_stitch')
on conflict do nothing;
