-- What a change has left to do, because more hangs on its row than one transaction should touch. Written in that
-- transaction, so nothing is lost; worked off piece by piece afterwards (queue.settle_deferred), so nothing waits for it.
create table queue.deferred_work (
  id bigint generated always as identity,
  kind text not null,
  task_id uuid,
  user_id uuid,
  status text,
  root_id uuid,
  reason text,
  task_type text,
  after_id uuid,
  only_id uuid,
  since timestamptz not null,
  deleted_id uuid,
  constraint deferred_work_pkey primary key (id)
);

create index deferred_work_by_task on queue.deferred_work (task_id) where task_id is not null;
create index deferred_work_by_type on queue.deferred_work (task_type) where task_type is not null;
create index deferred_work_by_deletion on queue.deferred_work (deleted_id) where deleted_id is not null;

comment on table queue.deferred_work is
  'What changes have left to do: one row per task, type, setting, user or project on which more hangs than one transaction touches.';
comment on column queue.deferred_work.kind is
  'dependants: tasks that wait for task_id are to be looked at again. lost: they end with root_id. children: the open children of task_id are to be cancelled. siblings: its queued ones are to fail, because of root_id. type: live tasks of task_type are to be derived again. limits: users without a limit of their own get the default one. stale: tasks that are no longer stale are to be let go. user, project: deleted_id is to be deleted with all that is theirs.';
comment on column queue.deferred_work.user_id is 'The owner of task_id and of all that follows from it.';
comment on column queue.deferred_work.status is 'How task_id ended: Complete, Failed, Cancelled or deleted; of lost, how root_id did.';
comment on column queue.deferred_work.root_id is 'The task whose end is the cause, at the head of a chain.';
comment on column queue.deferred_work.reason is 'Why it ended so; of a deletion, who deleted.';
comment on column queue.deferred_work.after_id is 'How far it has come: all up to this id are done.';
comment on column queue.deferred_work.only_id is 'Only this one is left: somebody held it when it was its turn.';
comment on column queue.deferred_work.since is 'Since when it is to be done.';
comment on column queue.deferred_work.deleted_id is 'The user or project that was deleted; the row itself goes last.';

alter table queue.deferred_work set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table queue.deferred_work enable row level security;

revoke all on sequence queue.deferred_work_id_seq from public, anon, authenticated, service_role;
revoke all on table queue.deferred_work from public, anon, authenticated, service_role;
grant select on table queue.deferred_work to service_role;
