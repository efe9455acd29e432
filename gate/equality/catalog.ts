import { query } from "../query.ts";
import type { Entry } from "./differences.ts";

/** One row per thing of a database that migrations and schema files decide. */
const CATALOG = `
  with ours as (
    select oid, nspname from pg_catalog.pg_namespace where nspname in ('public', 'fairlane_core')
  ),
  relation as (
    select c.*, c.oid::regclass as name
    from pg_catalog.pg_class as c join ours as o on o.oid = c.relnamespace
  ),
  field as (
    select a.*, r.relkind, r.name as relation
    from pg_catalog.pg_attribute as a join relation as r on r.oid = a.attrelid
    where a.attnum > 0 and not a.attisdropped and r.relkind in ('r', 'v', 'c')
  )
  select format('column %s.%s', a.relation, a.attname) as title,
    concat_ws(' | ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
      pg_get_expr(d.adbin, d.adrelid), array(select unnest(a.attacl)::text order by 1),
      a.attstorage, a.attcompression, a.attoptions, a.attcollation::regcollation, a.attgenerated) as text
  from field as a
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  union all
  select format('columns of %s', relation), string_agg(attname, ', ' order by attnum)
  from field group by relation
  union all
  select format('relation %s', name),
    concat_ws(' | ', relkind, relowner::regrole, relrowsecurity, relforcerowsecurity, reloptions,
      array(select unnest(relacl)::text order by 1), case when relkind = 'v' then pg_get_viewdef(oid) end)
  from relation where relkind in ('r', 'v', 'S')
  union all
  select format('sequence %s', r.name),
    concat_ws(' | ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle)
  from pg_catalog.pg_sequence as s join relation as r on r.oid = s.seqrelid
  union all
  select format('type %s', t.oid::regtype),
    concat_ws(' | ', t.typowner::regrole, array(select unnest(t.typacl)::text order by 1))
  from pg_catalog.pg_type as t join ours as o on o.oid = t.typnamespace
  union all
  select format('constraint %s on %s', n.conname, n.conrelid::regclass),
    concat_ws(' | ', pg_get_constraintdef(n.oid), n.convalidated)
  from pg_catalog.pg_constraint as n join ours as o on o.oid = n.connamespace
  union all
  select format('index %s', i.indexrelid::regclass),
    concat_ws(' | ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready, i.indisclustered, i.indisreplident)
  from pg_catalog.pg_index as i join relation as r on r.oid = i.indrelid
  union all
  select format('function %s', p.oid::regprocedure),
    concat_ws(' | ', p.proowner::regrole, pg_get_functiondef(p.oid), array(select unnest(p.proacl)::text order by 1))
  from pg_catalog.pg_proc as p join ours as o on o.oid = p.pronamespace
  where p.prokind in ('f', 'p')
  union all
  select format('trigger %s on %s', tgname, tgrelid::regclass), concat_ws(' | ', pg_get_triggerdef(oid), tgenabled)
  from pg_catalog.pg_trigger where not tgisinternal
  union all
  select format('event trigger %s', evtname), concat_ws(' | ', evtevent, evtfoid::regproc, evtenabled, evttags)
  from pg_catalog.pg_event_trigger
  union all
  select format('policy %s on %s.%s', policyname, schemaname, tablename),
    concat_ws(' | ', permissive, roles, cmd, qual, with_check)
  from pg_catalog.pg_policies
  union all
  select format('schema %s', nspname),
    concat_ws(' | ', nspowner::regrole, array(select unnest(nspacl)::text order by 1))
  from pg_catalog.pg_namespace where nspname !~ '^pg_' and nspname <> 'supabase_migrations'
  union all
  select format('default privileges of %s in %s for "%s"', d.defaclrole::regrole,
      coalesce(n.nspname, 'all schemas'), d.defaclobjtype),
    array(select unnest(d.defaclacl)::text order by 1)::text
  from pg_catalog.pg_default_acl as d left join pg_catalog.pg_namespace as n on n.oid = d.defaclnamespace
  union all
  select 'comment on ' || pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description
  from pg_catalog.pg_description as d
  where d.objoid >= 16384 -- what a new database has is lower
    and not exists (
      select from pg_catalog.pg_depend as x
      where x.classid = d.classoid and x.objid = d.objoid and x.deptype = 'e'
    )
  union all
  select 'extension ' || e.extname, concat_ws(' | ', e.extversion, n.nspname)
  from pg_catalog.pg_extension as e join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
  union all
  select format('publication %s of %s.%s', pubname, schemaname, tablename), concat_ws(' | ', attnames, rowfilter)
  from pg_catalog.pg_publication_tables
  union all
  select format('settings of %s in %s', s.setrole::regrole, d.datname), array_to_string(s.setconfig, ' | ')
  from pg_catalog.pg_db_role_setting as s left join pg_catalog.pg_database as d on d.oid = s.setdatabase
  union all
  select 'cron job ' || jobname, concat_ws(' | ', schedule, command, active, username, database)
  from cron.job
`;

/** All that the catalog says of a database, whichever Postgres it is. */
export function describeCatalog(url: string): Promise<Entry[]> {
  return query<Entry>(url, CATALOG);
}
