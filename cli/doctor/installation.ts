import type { Finding } from "../finding.ts";
import { DEPENDENTS } from "../uninstall.ts";
import { findingsOfHealth, HealthOfAnyVersion } from "./health.ts";
import type { Look, Reader } from "./looks.ts";
import { findingsOfSchemaVersion } from "./versions.ts";

/** How the queue in a database is. */
export function looksAtQueue(version: string): readonly Look[] {
  return [
    {
      what: "The version of the schema",
      look: (reader) => schemaVersion(reader, version),
    },
    { what: "Jobs, counters and sessions in the way", look: health },
    { what: "Grants beyond those of the migrations", look: wideGrants },
    { what: "Grants to anybody", look: grantsToAnybody },
    { what: "Row security", look: rowSecurity },
    { what: "What depends on the queue", look: dependents },
    { what: "Whether the queue sees who has an account", look: accounts },
  ];
}

async function schemaVersion(
  reader: Reader,
  version: string,
): Promise<Finding[]> {
  const [row] = await reader<{ schema: string }[]>`
    select fairlane_core.version() as schema
  `;
  return findingsOfSchemaVersion(row?.schema ?? "", version);
}

async function health(reader: Reader): Promise<Finding[]> {
  const [row] = await reader`
    select fairlane.health('{"kind": "service"}') as health
  `;
  return findingsOfHealth(HealthOfAnyVersion.parse(row?.["health"]));
}

/** What the rule in the database says; grants to anybody are a finding of their own. */
async function wideGrants(reader: Reader): Promise<Finding[]> {
  const rows = await reader<{ statement: string }[]>`
    select w.statement from fairlane_core.wide_grants() as w
    where w.statement !~ ' from (anon|public);'
  `;
  return rows.length === 0 ? [] : [{
    code: "grants-too-wide",
    severity: "warning",
    what:
      `Signed-in users or the service may do more with ${rows.length} of the queue's objects than the migrations grant`,
    remedy: rows.map(({ statement }) => statement).join("\n"),
  }];
}

/** Nobody without a key or token has anything to do here, but for finding the schema. */
async function grantsToAnybody(reader: Reader): Promise<Finding[]> {
  const rows = await reader<{ object: string }[]>`
    with ours as (
      select n.oid, n.nspname, n.nspacl from pg_catalog.pg_namespace as n
      where n.nspname in ('fairlane', 'fairlane_core')
    ),
    granted as (
      select 'schema ' || quote_ident(o.nspname) as object, a.grantee
      from ours as o
        cross join lateral aclexplode(o.nspacl) as a
      where not (o.nspname = 'fairlane' and a.privilege_type = 'USAGE')
      union all
      select case c.relkind when 'S' then 'sequence ' else 'table ' end || format('%I.%I', o.nspname, c.relname), a.grantee
      from pg_catalog.pg_class as c
        join ours as o on o.oid = c.relnamespace
        cross join lateral (
          select x.grantee from aclexplode(c.relacl) as x
          union all
          select x.grantee from pg_catalog.pg_attribute as t cross join lateral aclexplode(t.attacl) as x where t.attrelid = c.oid
        ) as a
      union all
      select 'function ' || format('%I.%I(%s)', o.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), a.grantee
      from pg_catalog.pg_proc as p
        join ours as o on o.oid = p.pronamespace
        cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
    )
    select distinct g.object
    from granted as g
    where g.grantee = 0
      or g.grantee = (select r.oid from pg_catalog.pg_roles as r where r.rolname = 'anon')
    order by g.object
  `;
  return rows.length === 0 ? [] : [{
    code: "open-to-anybody",
    severity: "error",
    what: `Anybody with the publishable key has rights on ${
      rows.map(({ object }) => object).join(", ")
    }`,
    remedy: rows
      .map(({ object }) => `revoke all on ${object} from anon, public;`)
      .join("\n"),
  }];
}

async function rowSecurity(reader: Reader): Promise<Finding[]> {
  const rows = await reader<{ name: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'fairlane' and c.relkind in ('r', 'p') and not c.relrowsecurity
    order by 1
  `;
  return rows.map(({ name }) => ({
    code: "row-security-off",
    severity: "error",
    what:
      `Row security is off for ${name}: whoever may read it reads the rows of all users`,
    remedy: `alter table ${name} enable row level security;`,
  }));
}

/** As the migration that removes the queue sees it, which refuses while there are any. */
async function dependents(reader: Reader): Promise<Finding[]> {
  const rows = await reader.unsafe<{ object: string }[]>(DEPENDENTS);
  return rows.length === 0 ? [] : [{
    code: "used-by-the-app",
    severity: "note",
    what: `Objects of the app depend on the queue: ${
      rows.map(({ object }) => object).join("; ")
    }`,
    remedy:
      "Nothing, while the queue stays; npx fairlane uninstall is refused until they are gone",
  }];
}

/** Without it nobody is known to have an account (fairlane_core.has_account). */
async function accounts(reader: Reader): Promise<Finding[]> {
  const [row] = await reader<{ role: string; sees: boolean }[]>`
    select
      quote_ident(r.rolname) as role,
      has_table_privilege(r.oid, c.oid, 'select')
        and (not c.relrowsecurity or r.rolbypassrls or r.rolsuper) as sees
    from fairlane_core.settings as s
      join pg_catalog.pg_proc as p on p.oid = to_regproc('fairlane_core.has_account')
      join pg_catalog.pg_roles as r on r.oid = p.proowner
      join pg_catalog.pg_class as c on c.oid = to_regclass('auth.users')
    where s.owners_are_accounts
  `;
  return row === undefined || row.sees ? [] : [{
    code: "accounts-unseen",
    severity: "error",
    what:
      `${row.role}, who owns the queue's functions, cannot read auth.users: every new owner is refused as OWNER_UNKNOWN`,
    remedy:
      `grant select on auth.users to ${row.role}, who must also bypass row security; or, if owners are no accounts: update fairlane_core.settings set owners_are_accounts = false`,
  }];
}
