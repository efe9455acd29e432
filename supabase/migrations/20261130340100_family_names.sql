-- What: queue.family_names, and what workers of 30 and 31 March mean by theirs.
-- Why: their stitches and their joins' orchestrators were stored under names that no worker knows.
-- Back out: apply the functions of the files before this one again, then drop table queue.family_names.

set lock_timeout = '900ms';

create table queue.family_names (
  family text not null,
  parent_type text not null default '',
  having_param text not null default '',
  task_type text not null,
  constraint family_names_pkey primary key (family, parent_type, having_param)
);

comment on table queue.family_names is
  'Families of create-task that stand for another type: the type that such a task is stored with.';
comment on column queue.family_names.parent_type is 'Only for parts of an orchestrator of this type; empty = whatever it is a part of.';
comment on column queue.family_names.having_param is 'Only where its params have this member; empty = whatever they have.';
comment on column queue.family_names.task_type is 'The type of the task.';

alter table queue.family_names enable row level security;

revoke all on table queue.family_names from public, anon, authenticated, service_role;
grant select on table queue.family_names to service_role;

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
