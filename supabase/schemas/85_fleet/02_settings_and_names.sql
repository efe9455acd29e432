-- What else ships for the fleet of today: names that its workers send, settings of its own.

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

-- What the fleet of today runs with, where that is not what the tables say by themselves (docs/operations.md, "Settings").
-- As the default of the column, so that a row which is lost and made anew (queue.rebuild, queue.missing_rows) is the fleet's,
-- too. A family of which a child has failed makes nothing any more; the backend that these clients know ends it as well.
alter table queue.settings alter column fails_siblings set default true;
update queue.settings set fails_siblings = true;

comment on column queue.settings.fails_siblings is
  'Whether the queued children of an orchestrator that failed, because one of them did, say, fail with it; those that run go on. Default false: all go on. The fleet ships true.';
