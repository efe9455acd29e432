/**
 * What somebody else has made to depend on the queue: one `object` a row, as
 * Postgres describes it. Functions that only name it in their text count, too:
 * Postgres lets go of what they call, and they fail at their next call.
 */
export const DEPENDENTS = `
    with ours as materialized (
      select n.oid from pg_catalog.pg_namespace as n where n.nspname in ('fairlane', 'fairlane_core')
    ),
    dependent as (
      select distinct d.classid, d.objid, d.objsubid
      from pg_catalog.pg_depend as d
      where d.deptype in ('n', 'a')
        and (
          d.refclassid = 'pg_class'::regclass and d.refobjid in (select c.oid from pg_catalog.pg_class as c join ours as o on o.oid = c.relnamespace)
          or d.refclassid = 'pg_type'::regclass and d.refobjid in (select t.oid from pg_catalog.pg_type as t join ours as o on o.oid = t.typnamespace)
          or d.refclassid = 'pg_proc'::regclass and d.refobjid in (select p.oid from pg_catalog.pg_proc as p join ours as o on o.oid = p.pronamespace)
        )
    )
    select pg_describe_object(d.classid, d.objid, d.objsubid) as object
    from (
      select d.classid, d.objid, d.objsubid from dependent as d
      union
      select 'pg_proc'::regclass, p.oid, 0
      from pg_catalog.pg_proc as p
      where p.prosrc ~ '\\mfairlane(_core)?"?\\."?[a-z_]'
    ) as d
    where (
      case d.classid
        when 'pg_class'::regclass then (select c.relnamespace from pg_catalog.pg_class as c where c.oid = d.objid)
        when 'pg_type'::regclass then (select t.typnamespace from pg_catalog.pg_type as t where t.oid = d.objid)
        when 'pg_proc'::regclass then (select p.pronamespace from pg_catalog.pg_proc as p where p.oid = d.objid)
        when 'pg_constraint'::regclass then (select k.connamespace from pg_catalog.pg_constraint as k where k.oid = d.objid)
        when 'pg_trigger'::regclass then (select c.relnamespace from pg_catalog.pg_trigger as g join pg_catalog.pg_class as c on c.oid = g.tgrelid where g.oid = d.objid)
        when 'pg_policy'::regclass then (select c.relnamespace from pg_catalog.pg_policy as y join pg_catalog.pg_class as c on c.oid = y.polrelid where y.oid = d.objid)
        when 'pg_rewrite'::regclass then (select c.relnamespace from pg_catalog.pg_rewrite as r join pg_catalog.pg_class as c on c.oid = r.ev_class where r.oid = d.objid)
        when 'pg_attrdef'::regclass then (select c.relnamespace from pg_catalog.pg_attrdef as a join pg_catalog.pg_class as c on c.oid = a.adrelid where a.oid = d.objid)
      end
    ) not in (select o.oid from ours as o)
    order by 1`;

/** The migration that removes the queue. */
export const UNINSTALL_SQL =
  `-- Fairlane is removed: its jobs and its two schemas, with all tasks, results and history. Nothing else goes with them:
-- what somebody else has made to depend on them stops this migration, and nothing has happened. The bucket stays, with
-- its files. Where the queue is not there, this does nothing.
do $$
declare
  v_dependents text;
  v_job bigint;
begin
  perform set_config('search_path', '', true); -- so that names are told with their schema
  select string_agg(d.object, '; ')
  into v_dependents
  from (${DEPENDENTS}
  ) as d;
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
`;
