-- What: which task is a part of which, and how the children of each orchestrator stand.
-- Why: an orchestrator ends with its last child, and no client ends it; a task that is lost takes along what waits for it.
-- Back out: drop the tables, types and column named here, after the functions that use them.

set lock_timeout = '900ms';
select queue.lock_tables('queue.settings');

alter table queue.settings add column family_quiet_after interval not null default interval '10 minutes';
alter table queue.settings
  add constraint settings_family_quiet_after_is_positive check (family_quiet_after > interval '0');

comment on column queue.settings.family_quiet_after is
  'An orchestrator whose announced parts are all there, but which never reported that it is done with enqueuing, is judged once its family has been quiet for this long. Default 10 minutes.';

-- How a task ended, for those that go with it.
create type queue.task_end as (
  task_id uuid,
  user_id uuid,
  status text,
  reason text
);

comment on type queue.task_end is
  'The end of a task, or its deletion (status deleted), as the tasks that depend on it need to know it.';

-- Which task is a part of which. One row per task whose params name an orchestrator (queue.parent_task_id), also while
-- that orchestrator is not there yet or belongs to somebody else: then nothing follows from it. No foreign keys: the
-- trigger that follows a delete must still see the row it takes away.
create table queue.subtasks (
  task_id uuid not null,
  orchestrator_id uuid not null,
  user_id uuid not null,
  task_type text not null,
  final_rank smallint not null,
  part_index integer,
  replaced_by uuid,
  seq bigint generated always as identity,
  constraint subtasks_pkey primary key (task_id)
);

-- The final child first; the children of one part side by side, in the order in which they came.
create index subtasks_by_part on queue.subtasks (orchestrator_id, user_id, final_rank desc, part_index desc nulls last, seq desc)
  where replaced_by is null;
create index subtasks_by_orchestrator on queue.subtasks (orchestrator_id, task_id);
create index subtasks_replaced on queue.subtasks (replaced_by) where replaced_by is not null;

comment on table queue.subtasks is 'task_id is a part of orchestrator_id, as its params say.';
comment on column queue.subtasks.user_id is 'The owner of the task; only an orchestrator of the same owner is its parent.';
comment on column queue.subtasks.final_rank is
  'Whose output is that of the family: 3 a stitch, 2 a join, 1 a segment, 0 any other. The highest counts, then the highest part_index.';
comment on column queue.subtasks.part_index is 'Which part: join_index or segment_index; 0 for a stitch, of which there is one; null = not a numbered part.';
comment on column queue.subtasks.replaced_by is 'The child that counts instead of this one, which is the same part under another id; null = this one counts.';
comment on column queue.subtasks.seq is 'The order in which children came.';

alter table queue.subtasks enable row level security;

revoke all on sequence queue.subtasks_seq_seq from public, anon, authenticated, service_role;
revoke all on table queue.subtasks from public, anon, authenticated, service_role;
grant select on table queue.subtasks to service_role;

-- One small row per orchestrator with children: how they stand. Counted in the transaction of each change under the
-- owner's lock, so that the last of 1,000 children costs no more than the first.
create table queue.orchestrations (
  orchestrator_id uuid not null,
  user_id uuid not null,
  open_count integer not null default 0,
  complete_count integer not null default 0,
  failed_count integer not null default 0,
  cancelled_count integer not null default 0,
  segment_count integer not null default 0,
  join_count integer not null default 0,
  stitch_count integer not null default 0,
  enqueued_attempt integer,
  ended_as text,
  changed_at timestamptz not null,
  constraint orchestrations_pkey primary key (orchestrator_id)
);

-- Families whose orchestrator may have to end, or whose children may have to: what queue.mend_orchestrations looks at.
create index orchestrations_to_mend on queue.orchestrations (changed_at)
  where (
    ended_as is null
    and (failed_count > 0 or (open_count = 0 and complete_count + cancelled_count > 0))
  ) or (ended_as = 'Cancelled' and open_count > 0);

comment on table queue.orchestrations is
  'Per orchestrator: how its children stand, those that were replaced left out. Derived, kept in the transaction of each change.';
comment on column queue.orchestrations.open_count is 'Children that are Queued or In Progress.';
comment on column queue.orchestrations.segment_count is 'Children that are segments, whatever their state; the next two likewise.';
comment on column queue.orchestrations.enqueued_attempt is
  'The start in which the orchestrator reported that it has enqueued its children; null = it has not.';
comment on column queue.orchestrations.ended_as is 'How the orchestrator ended; null = it is Queued or In Progress.';
comment on column queue.orchestrations.changed_at is 'When one of the counts last changed.';

alter table queue.orchestrations set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table queue.orchestrations enable row level security;

revoke all on table queue.orchestrations from public, anon, authenticated, service_role;
grant select on table queue.orchestrations to service_role;

-- By how much one statement changed how the children of an orchestrator stand.
create type queue.family_change as (
  orchestrator_id uuid,
  open integer,
  complete integer,
  failed integer,
  cancelled integer
);

comment on type queue.family_change is
  'By how much one statement changed the numbers of an orchestrator''s children that are open, Complete, Failed and Cancelled.';
