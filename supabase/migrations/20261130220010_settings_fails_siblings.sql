-- What: a setting that lets the queued children of a failed orchestrator fail with it.
-- Why: a family that has failed makes nothing any more, and its other children take machines from others.
-- Back out: alter table queue.settings drop column fails_siblings.

set lock_timeout = '900ms';

alter table queue.settings add column fails_siblings boolean not null default false;

comment on column queue.settings.fails_siblings is
  'Whether the queued children of an orchestrator that failed, because one of them did, say, fail with it; those that run go on. Default false: all go on.';

-- Work that is left to do is told as what it is.
comment on column queue.deferred_work.kind is
  'dependants: tasks that wait for task_id are to be looked at again. lost: they end with root_id. children: the open children of task_id are to be cancelled. siblings: its queued ones are to fail, because of root_id. type: live tasks of task_type are to be derived again. limits: users without a limit of their own get the default one. stale: tasks that are no longer stale are to be let go.';
