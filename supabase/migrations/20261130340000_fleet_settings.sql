-- What: fails_siblings is on for the fleet, as in supabase/schemas/0504.
-- Why: a family of which a child has failed for good makes nothing any more; its other children took machines from others.
-- Back out: alter table queue.settings alter column fails_siblings set default false; update queue.settings set fails_siblings = false.

set lock_timeout = '900ms';

select queue.lock_tables('queue.settings');

-- Once: who runs this file again finds the new default, and leaves alone what an operator has said since.
do $$
begin
  if exists (
    select
    from information_schema.columns as c
    where c.table_schema = 'queue'
      and c.table_name = 'settings'
      and c.column_name = 'fails_siblings'
      and c.column_default = 'false'
  ) then
    alter table queue.settings alter column fails_siblings set default true;
    update queue.settings set fails_siblings = true;
  end if;
end;
$$;

comment on column queue.settings.fails_siblings is
  'Whether the queued children of an orchestrator that failed, because one of them did, say, fail with it; those that run go on. Default false: all go on. The fleet ships true.';
