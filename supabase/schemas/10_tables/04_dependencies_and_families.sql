-- Which task waits for which and which is part of which: dependencies, children, orchestrators, hand-overs.

-- Which task waits for which. No foreign key on depends_on: a dependency may be missing, and the waiting task then
-- reports it (dependency_lost) instead of being refused.
create table fairlane_core.task_dependencies (
  task_id uuid not null,
  depends_on uuid not null,
  constraint task_dependencies_pkey primary key (task_id, depends_on),
  constraint task_dependencies_belong_to_a_task foreign key (task_id) references fairlane.tasks (id) on delete cascade,
  constraint task_dependencies_are_on_another_task check (task_id <> depends_on)
);

create index task_dependencies_by_dependency on fairlane_core.task_dependencies (depends_on, task_id);

-- For the planner. Where ten thousand tasks wait for one, the measured statistics say that each task has as many
-- dependents, and inserting or ending any task would read them all.
alter table fairlane_core.task_dependencies alter column depends_on set (n_distinct = -1);

comment on table fairlane_core.task_dependencies is 'task_id may run once depends_on is Complete.';

alter table fairlane_core.task_dependencies enable row level security;

-- Which task is part of which. One row per task whose params name an orchestrator (fairlane_core.parent_task_id), even
-- while that orchestrator does not exist or belongs to somebody else: then it has no effect. No foreign keys: the
-- delete trigger must still see the row it removes.
create table fairlane_core.subtasks (
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

-- The final child first; children of the same part next to each other, in the order of their arrival.
create index subtasks_by_part on fairlane_core.subtasks (orchestrator_id, user_id, final_rank desc, part_index desc nulls last, seq desc)
  where replaced_by is null;
-- Offered to the planner only where somebody asks for an orchestrator: it would read it whole for a task's own row.
create index subtasks_by_orchestrator on fairlane_core.subtasks (orchestrator_id, task_id) where orchestrator_id is not null;
alter table fairlane_core.subtasks alter column orchestrator_id set (n_distinct = -1); -- as above
create index subtasks_replaced on fairlane_core.subtasks (replaced_by) where replaced_by is not null;

comment on table fairlane_core.subtasks is 'task_id is a part of orchestrator_id, as its params say.';
comment on column fairlane_core.subtasks.user_id is 'The owner of the task; only an orchestrator of the same owner is its parent.';
comment on column fairlane_core.subtasks.final_rank is
  'Whose output becomes that of the family: 3 the final child, 2 one that merges parts, 1 a part, 0 any other (fairlane_core.part_of). The highest counts, then the highest part_index.';
comment on column fairlane_core.subtasks.part_index is 'Which part of its rank; 0 for the final child, of which there is one; null = not a numbered part.';
comment on column fairlane_core.subtasks.replaced_by is 'The child that counts instead of this one, which is the same part under another id; null = this one counts.';
comment on column fairlane_core.subtasks.seq is 'The order in which children came.';

alter table fairlane_core.subtasks enable row level security;

-- One small row per orchestrator with children: counts of their states. Updated in the transaction of each change,
-- under the owner's lock, so that the last of 1,000 children costs no more than the first.
create table fairlane_core.orchestrations (
  orchestrator_id uuid not null,
  user_id uuid not null,
  open_count integer not null default 0,
  complete_count integer not null default 0,
  failed_count integer not null default 0,
  cancelled_count integer not null default 0,
  part_count integer not null default 0,
  merge_count integer not null default 0,
  final_count integer not null default 0,
  enqueued_attempt integer,
  ended_as text,
  changed_at timestamptz not null,
  constraint orchestrations_pkey primary key (orchestrator_id)
);

-- Families in which the orchestrator or the children may have to end: fairlane_core.repair_orchestrations reads these.
create index orchestrations_to_repair on fairlane_core.orchestrations (changed_at)
  where (
    ended_as is null
    and (failed_count > 0 or (open_count = 0 and complete_count + cancelled_count > 0))
  ) or (ended_as = 'Cancelled' and open_count > 0);

-- The same where the siblings of a failed child fail too (fairlane_core.settings.fails_siblings).
create index orchestrations_failed_with_open_children on fairlane_core.orchestrations (orchestrator_id)
  where ended_as = 'Failed' and open_count > 0;

comment on table fairlane_core.orchestrations is
  'Per orchestrator: counts of its children by state, without replaced ones. Derived, updated in the transaction of each change.';
comment on column fairlane_core.orchestrations.open_count is 'Children that are Queued or In Progress.';
comment on column fairlane_core.orchestrations.part_count is 'Children of final_rank 1, whatever their state; the next two count ranks 2 and 3.';
comment on column fairlane_core.orchestrations.enqueued_attempt is
  'The attempt in which the orchestrator reported that it has enqueued its children; null = it has not.';
comment on column fairlane_core.orchestrations.ended_as is 'How the orchestrator ended; null = it is Queued or In Progress.';
comment on column fairlane_core.orchestrations.changed_at is 'When one of the counts last changed.';

alter table fairlane_core.orchestrations set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table fairlane_core.orchestrations enable row level security;

-- Running orchestration tasks that have enqueued everything, or whose workers claim again, and that need no worker any
-- more: they no longer occupy an orchestration slot. Recorded for one attempt; what happens to the children later does
-- not revoke it.
create table fairlane_core.handovers (
  orchestrator_id uuid not null,
  lease_token uuid not null,
  constraint handovers_pkey primary key (orchestrator_id)
);

comment on table fairlane_core.handovers is 'Orchestration tasks In Progress that need no worker, because all of their children are enqueued.';
comment on column fairlane_core.handovers.lease_token is 'The attempt in which they were enqueued; zeros for one from before leases.';

alter table fairlane_core.handovers enable row level security;

-- Which type a client's create-task means by a family that is not a type. Read only when a body says family, once for
-- each such task. Without a row the family is the type.
create table fairlane_core.family_names (
  family text not null,
  parent_type text not null default '',
  having_param text not null default '',
  task_type text not null,
  constraint family_names_pkey primary key (family, parent_type, having_param)
);

comment on table fairlane_core.family_names is
  'Families of create-task that are names of another type: the type that such a task is stored with.';
comment on column fairlane_core.family_names.parent_type is 'Only for parts of an orchestrator of this type; empty = whatever it is a part of.';
comment on column fairlane_core.family_names.having_param is 'Only where its params have this member; empty = whatever they have.';
comment on column fairlane_core.family_names.task_type is 'The type of the task.';

alter table fairlane_core.family_names enable row level security;

-- How one statement changed the child counts of an orchestrator.
create type fairlane_core.family_change as (
  orchestrator_id uuid,
  open integer,
  complete integer,
  failed integer,
  cancelled integer
);

comment on type fairlane_core.family_change is
  'How one statement changed the numbers of an orchestrator''s open, Complete, Failed and Cancelled children.';

-- How a task ended, for the tasks that end with it.
create type fairlane_core.task_end as (
  task_id uuid,
  user_id uuid,
  status text,
  reason text
);

comment on type fairlane_core.task_end is
  'The end of a task, or its deletion (status deleted), as the tasks that depend on it need to know it.';
