-- What the fleet of today runs with, where that is not what the tables say by themselves (docs/operations.md, "Settings").
-- As the default of the column, so that a row which is lost and made anew (queue.rebuild, queue.missing_rows) is the fleet's,
-- too. A family of which a child has failed makes nothing any more; the backend that these clients know ends it as well.
alter table queue.settings alter column fails_siblings set default true;
update queue.settings set fails_siblings = true;

comment on column queue.settings.fails_siblings is
  'Whether the queued children of an orchestrator that failed, because one of them did, say, fail with it; those that run go on. Default false: all go on. The fleet ships true.';
