-- What: queue.deferred_work names users and projects that were deleted, and projects say that they were.
-- Why: to delete one with 100,000 tasks took one transaction, longer than a statement of the Data API may take.
-- Back out: apply the functions of the files before this one again once no row of queue.deferred_work has a deleted_id;
-- put the policies back, drop the two columns.

set lock_timeout = '900ms';

select queue.lock_tables('public.projects', 'queue.deferred_work');

alter table public.projects add column deleted_at timestamptz;
alter table queue.deferred_work add column deleted_id uuid;

create index deferred_work_by_deletion on queue.deferred_work (deleted_id) where deleted_id is not null;

alter policy owners_read_projects on public.projects using (user_id = (select auth.uid()) and deleted_at is null);
alter policy owners_update_projects on public.projects using (user_id = (select auth.uid()) and deleted_at is null);
alter policy owners_delete_projects on public.projects using (user_id = (select auth.uid()) and deleted_at is null);

comment on column public.projects.deleted_at is
  'Since when the project is deleted, while its tasks and results go piece by piece; the row goes last.';
comment on table queue.deferred_work is
  'What changes have left to do: one row per task, type, setting, user or project on which more hangs than one transaction touches.';
comment on column queue.deferred_work.kind is
  'dependants: tasks that wait for task_id are to be looked at again. lost: they end with root_id. children: the open children of task_id are to be cancelled. siblings: its queued ones are to fail, because of root_id. type: live tasks of task_type are to be derived again. limits: users without a limit of their own get the default one. stale: tasks that are no longer stale are to be let go. user, project: deleted_id is to be deleted with all that is theirs.';
comment on column queue.deferred_work.reason is 'Why it ended so; of a deletion, who deleted.';
comment on column queue.deferred_work.deleted_id is 'The user or project that was deleted; the row itself goes last.';
