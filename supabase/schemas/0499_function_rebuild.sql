-- Makes a queue of the rows that somebody has brought here, whichever way: everything that follows from other rows is
-- derived anew, and what belongs to it outside of the tables is made. Safe to repeat; beside running work it finds
-- nothing to do.
create function queue.rebuild()
returns json
language plpgsql
volatile
security invoker -- for whoever owns the tables
set search_path = ''
as $$
declare
  v_trigger record;
  v_sequence record;
  v_last bigint;
  v_triggers integer := 0;
  v_sequences integer := 0;
  v_mended integer;
  v_wide text[];
begin
  for v_trigger in
    select t.tgname as name, t.tgrelid::regclass as on_table
    from pg_trigger as t
      join pg_proc as p on p.oid = t.tgfoid
    where p.pronamespace = 'queue'::regnamespace
      and not t.tgisinternal
      and t.tgenabled = 'D'
    order by t.tgrelid, t.tgname
  loop
    execute pg_catalog.format('alter table %s enable trigger %I', v_trigger.on_table, v_trigger.name);
    v_triggers := v_triggers + 1;
  end loop;

  -- Rows that a dump of the schema does not hold.
  insert into queue.settings (is_only_row) values (true) on conflict do nothing;
  insert into queue.clock_watch (is_only_row) values (true) on conflict do nothing;

  -- Rows that were copied have taken numbers that their sequences know nothing of.
  for v_sequence in
    select
      d.refobjid::regclass as of_table, a.attname as of_column, s.oid::regclass as name
    from pg_class as s
      join pg_depend as d on d.objid = s.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
      join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where s.relkind = 'S'
      and d.refobjid in (
        'public.task_events'::regclass, 'public.system_logs'::regclass, 'queue.subtasks'::regclass
      )
  loop
    execute pg_catalog.format('select max(t.%I) from %s as t', v_sequence.of_column, v_sequence.of_table) into v_last;
    execute pg_catalog.format(
      'select pg_catalog.setval(%1$L, %2$s) from %1$s as s where s.last_value < %2$s or (s.last_value = %2$s and not s.is_called)',
      v_sequence.name, coalesce(v_last, 0)
    ) into v_last;
    v_sequences := v_sequences + (v_last is not null)::integer;
  end loop;

  v_mended := queue.reconcile_owners(array(
    select distinct d.user_id from queue.drift() as d where d.user_id is not null order by d.user_id
  ));
  perform queue.recount_totals();

  perform queue.make_bucket();
  if not exists (select from pg_extension as e where e.extname = 'pg_cron') then
    create extension pg_cron;
  end if;
  perform queue.schedule_jobs();
  notify pgrst, 'reload schema';

  v_wide := array(select w.statement from queue.wide_grants() as w);
  if cardinality(v_wide) > 0 then
    raise warning 'The API may do more with % of the queue''s objects than migrations grant', cardinality(v_wide)
      using hint = 'select statement from queue.wide_grants() shows what takes it back: run that before anybody knows this address';
  end if;
  return json_build_object(
    'triggers_enabled', v_triggers,
    'sequences_moved', v_sequences,
    'owners_mended', v_mended,
    'drift', (select count(*) from queue.drift()),
    'wide_grants', v_wide
  );
end;
$$;

comment on function queue.rebuild() is
  'After a restore or a copy of rows: switches the queue''s triggers on, derives counters, families and totals anew, moves sequences behind the highest id, makes the bucket and the jobs. Answers what it had to do, and the drift that is left: 0; wide_grants are statements that take back what the API may do beyond what migrations grant: none.';

revoke all on function queue.rebuild() from public, anon, authenticated, service_role;
