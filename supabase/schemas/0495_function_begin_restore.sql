-- Makes a migrated database ready for the rows of another one. What migrations ship would be there twice, and the
-- triggers of the queue would take each row for a new one: they count, and begin every task anew. Not by
-- pg_dump --disable-triggers, which only a superuser can use. Triggers of the application are left alone.
create function queue.begin_restore()
returns json
language plpgsql
volatile
security invoker -- for whoever owns the tables
set search_path = ''
as $$
declare
  v_table regclass;
  v_trigger record;
  v_job bigint;
  v_triggers integer := 0;
begin
  if exists (select from public.tasks) then
    raise exception 'This database has tasks: a restore begins with an empty queue'
      using errcode = 'object_not_in_prerequisite_state', hint = 'Restore into a database that was just migrated';
  end if;

  for v_job in select j.jobid from cron.job as j where j.jobname like 'queue-%' loop
    perform cron.unschedule(v_job);
  end loop;

  for v_trigger in
    select t.tgname as name, t.tgrelid::regclass as on_table
    from pg_trigger as t
      join pg_proc as p on p.oid = t.tgfoid
    where p.pronamespace = 'queue'::regnamespace
      and not t.tgisinternal
      and t.tgenabled <> 'D'
    order by t.tgrelid, t.tgname
  loop
    execute pg_catalog.format('alter table %s disable trigger %I', v_trigger.on_table, v_trigger.name);
    v_triggers := v_triggers + 1;
  end loop;

  for v_table in
    select c.oid::regclass
    from pg_class as c
    where c.relkind in ('r', 'p')
      and (c.relnamespace = 'queue'::regnamespace or c.oid = 'public.task_types'::regclass)
    order by c.relname
  loop
    execute pg_catalog.format('delete from %s', v_table);
  end loop;
  return json_build_object('triggers_disabled', v_triggers);
end;
$$;

comment on function queue.begin_restore() is
  'Readies an empty queue for pg_restore --data-only: its triggers are off, its jobs and the rows that migrations ship are gone. Refuses when there are tasks. End with queue.rebuild().';

revoke all on function queue.begin_restore() from public, anon, authenticated, service_role;
