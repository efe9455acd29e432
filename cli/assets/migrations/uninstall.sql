-- Fairlane is removed: its jobs and its two schemas, with all tasks, results and history. Nothing else goes with them:
-- what somebody else has made to depend on them stops this migration, and nothing has happened. The bucket stays, with
-- its files. Where the queue is not there, this does nothing.
do $$
declare
  v_ours oid[] := array(select n.oid from pg_namespace as n where n.nspname in ('fairlane', 'fairlane_core'));
  v_dependents text;
  v_job bigint;
begin
  perform set_config('search_path', '', true); -- so that names are told with their schema
  with dependent as (
    select distinct d.classid, d.objid, d.objsubid
    from pg_depend as d
    where d.deptype in ('n', 'a')
      and (
        (d.refclassid = 'pg_class'::regclass and d.refobjid in (select c.oid from pg_class as c where c.relnamespace = any (v_ours)))
        or (d.refclassid = 'pg_type'::regclass and d.refobjid in (select t.oid from pg_type as t where t.typnamespace = any (v_ours)))
        or (d.refclassid = 'pg_proc'::regclass and d.refobjid in (select p.oid from pg_proc as p where p.pronamespace = any (v_ours)))
      )
  ),
  placed as (
    select
      d.*,
      case d.classid
        when 'pg_class'::regclass then (select c.relnamespace from pg_class as c where c.oid = d.objid)
        when 'pg_type'::regclass then (select t.typnamespace from pg_type as t where t.oid = d.objid)
        when 'pg_proc'::regclass then (select p.pronamespace from pg_proc as p where p.oid = d.objid)
        when 'pg_constraint'::regclass then (select k.connamespace from pg_constraint as k where k.oid = d.objid)
        when 'pg_trigger'::regclass then (
          select c.relnamespace from pg_trigger as g join pg_class as c on c.oid = g.tgrelid where g.oid = d.objid
        )
        when 'pg_policy'::regclass then (
          select c.relnamespace from pg_policy as o join pg_class as c on c.oid = o.polrelid where o.oid = d.objid
        )
        when 'pg_rewrite'::regclass then (
          select c.relnamespace from pg_rewrite as r join pg_class as c on c.oid = r.ev_class where r.oid = d.objid
        )
        when 'pg_attrdef'::regclass then (
          select c.relnamespace from pg_attrdef as a join pg_class as c on c.oid = a.adrelid where a.oid = d.objid
        )
      end as in_schema
    from dependent as d
  )
  select string_agg(pg_describe_object(p.classid, p.objid, p.objsubid), '; ')
  into v_dependents
  from placed as p
  where p.in_schema <> all (v_ours);

  if v_dependents is not null then
    raise exception 'Other things depend on the queue: %', v_dependents
      using hint = 'Drop them, or take the queue out of them, and push again', errcode = 'dependent_objects_still_exist';
  end if;

  if to_regclass('cron.job') is not null then
    for v_job in execute 'select j.jobid from cron.job as j where j.jobname like ''fairlane-%''' loop
      execute format('select cron.unschedule(%s)', v_job);
    end loop;
  end if;

  drop schema if exists fairlane, fairlane_core cascade;
end;
$$;

notify pgrst, 'reload schema';
