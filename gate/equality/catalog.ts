import { query } from "../query.ts";
import type { DumpEntry } from "./dump-entries.ts";

/** What a dump of two schemas says, asked of the catalog, one row per thing. */
const CATALOG = `
  with ours as (
    select oid, nspname from pg_catalog.pg_namespace where nspname in ('public', 'queue')
  )
  select format('column %s.%s', a.attrelid::regclass, a.attname) as title,
    concat_ws(' | ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
      pg_get_expr(d.adbin, d.adrelid), array(select unnest(a.attacl)::text order by 1), col_description(a.attrelid, a.attnum)) as text
  from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'v', 'c')
    join ours as o on o.oid = c.relnamespace
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attnum > 0 and not a.attisdropped
  union all
  select format('relation %s', c.oid::regclass),
    concat_ws(' | ', c.relkind, c.relrowsecurity, c.reloptions, array(select unnest(c.relacl)::text order by 1),
      obj_description(c.oid, 'pg_class'), case when c.relkind = 'v' then pg_get_viewdef(c.oid) end)
  from pg_catalog.pg_class as c join ours as o on o.oid = c.relnamespace
  where c.relkind in ('r', 'v', 'S')
  union all
  select format('constraint %s on %s', n.conname, n.conrelid::regclass),
    concat_ws(' | ', pg_get_constraintdef(n.oid), n.convalidated)
  from pg_catalog.pg_constraint as n join ours as o on o.oid = n.connamespace
  union all
  select format('index %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
  from pg_catalog.pg_index as i
    join pg_catalog.pg_class as c on c.oid = i.indrelid
    join ours as o on o.oid = c.relnamespace
  union all
  select format('function %s', p.oid::regprocedure),
    concat_ws(' | ', pg_get_functiondef(p.oid), array(select unnest(p.proacl)::text order by 1), obj_description(p.oid, 'pg_proc'))
  from pg_catalog.pg_proc as p join ours as o on o.oid = p.pronamespace
  where p.prokind = 'f'
  union all
  select format('policy %s on %s.%s', policyname, schemaname, tablename),
    concat_ws(' | ', permissive, roles, cmd, qual, with_check)
  from pg_catalog.pg_policies
  where schemaname in ('public', 'queue')
`;

/** The two schemas without pg_dump, where there is none that can read them. */
export function describeByCatalog(url: string): Promise<DumpEntry[]> {
  return query<DumpEntry>(url, CATALOG);
}
