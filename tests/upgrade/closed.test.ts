import { afterAll, beforeAll, describe, expect, it } from "vitest";
import postgres from "postgres";
import { join } from "node:path";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { checkoutDir } from "../../stack/paths.ts";
import { applyUpTo, migrationFiles } from "../support/old-database.ts";
import { defaultsOf } from "./restore/state.ts";

// A push may stop after any of its files, for good: what is there by then must not lie open, on a project whose defaults give
// every new table and function of `public` to everybody.

const RIGHTS = `
  select distinct concat_ws(' ', o.kind, o.name, a.privilege_type, coalesce(r.rolname, 'public')) as held
  from (
    select 'relation' as kind, c.oid::regclass::text as name, c.relnamespace as schema,
      coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner)) as acl
    from pg_class as c where c.relkind in ('r', 'v', 'S')
    union all
    select 'column', t.attrelid::regclass::text || '.' || t.attname, c.relnamespace, t.attacl
    from pg_attribute as t join pg_class as c on c.oid = t.attrelid where t.attacl is not null
    union all
    select 'function', p.oid::regprocedure::text, p.pronamespace, coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_proc as p
    union all
    select 'schema', n.nspname::text, n.oid, n.nspacl from pg_namespace as n where n.nspname = 'fairlane_core'
  ) as o
    cross join lateral aclexplode(o.acl) as a
    left join pg_roles as r on r.oid = a.grantee
  where o.schema in ('public'::regnamespace, to_regnamespace('fairlane_core'))
    and (a.grantee = 0 or r.rolname in ('anon', 'authenticated'))
  order by 1
`;

const OPEN = `
  select c.oid::regclass::text as name from pg_class as c
  where c.relkind = 'r' and not c.relrowsecurity
    and c.relnamespace in ('public'::regnamespace, to_regnamespace('fairlane_core'))
  order by 1
`;

describe("a push onto a new project that stops", () => {
  const files = migrationFiles();
  const rights = new Map<string, string[]>();
  const open = new Map<string, string[]>();
  let database: ThrowAwayDatabase;

  beforeAll(async () => {
    const workDir = join(checkoutDir, ".stack", "test-upgrade");
    database = await makeThrowAwayDatabase(workDir, "closed", true);
    const sql = postgres(database.url, { max: 1, onnotice: () => {} });
    try {
      // Or all that follows would say nothing of such a project.
      expect(await defaultsOf(sql)).toContainEqual(
        { defaclobjtype: "r", grantee: "anon", privilege_type: "SELECT" },
      );
      for (const file of files) {
        await applyUpTo(database.url, file);
        rights.set(
          file,
          (await sql.unsafe<{ held: string }[]>(RIGHTS)).map((row) => row.held),
        );
        open.set(
          file,
          (await sql.unsafe<{ name: string }[]>(OPEN)).map((row) => row.name),
        );
      }
    } finally {
      await sql.end();
    }
  }, 300_000);
  afterAll(() => database?.discard());

  it.each(files)("after %s leaves no table without row security", (file) => {
    expect(open.get(file)).toEqual([]);
  });

  it.each(files)(
    "after %s leaves nothing more open than at its end",
    (file) => {
      const granted = new Set(rights.get(files.at(-1) ?? ""));
      expect(granted.size).toBeGreaterThan(10);
      expect(rights.get(file)?.filter((held) => !granted.has(held))).toEqual(
        [],
      );
    },
  );

  it("opens nothing before the rules are there", () => {
    for (const file of files.filter((name) => name < "20261130001000")) {
      expect(rights.get(file), file).toEqual([]);
    }
  });
});
