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
