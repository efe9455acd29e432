import type postgres from "postgres";
import { codeOf, connect, reasonOf } from "../connection.ts";
import type { Examination, Finding } from "../finding.ts";
import { looksAtQueue } from "./installation.ts";
import { lookAt, type Reader, STATEMENT_TIMEOUT } from "./looks.ts";
import { looksAround } from "./surroundings.ts";

/** How a database is looked at. */
export interface DatabaseOptions {
  /** That of the package. */
  readonly version: string;
  /** Whether the project has the migrations of the queue; not asked without. */
  readonly hasMigrations?: boolean;
  /** Milliseconds since 1970, as this machine sees it. */
  readonly now?: () => number;
}

/** Looks at a database, in one transaction that can only read. */
export async function examineDatabase(
  url: string,
  { version, hasMigrations, now = Date.now }: DatabaseOptions,
): Promise<Examination> {
  if (!URL.canParse(url)) {
    return unreachable(
      "The address of the database is not a URL",
      "Name it as postgresql://user:password@host:port/postgres; in a password, write special characters as %40 for @",
    );
  }
  let sql: postgres.Sql | undefined;
  try {
    sql = connect(url);
    return await sql.begin("read only", async (reader) => {
      await reader.unsafe(
        `set local statement_timeout = '${STATEMENT_TIMEOUT}'; set local lock_timeout = '1s'`,
      );
      return await examine(reader, { version, hasMigrations, now });
    });
  } catch (error) {
    // A mistake of our own is none of the database's.
    if (codeOf(error) === undefined) throw error;
    return unreachable(
      `The database at ${new URL(url).host} does not let us in: ${
        reasonOf(error)
      }`,
      "Check host, port, user and password: Connect, in the project's dashboard, shows them. A network without IPv6 needs the address of the pooler",
    );
  } finally {
    await sql?.end({ timeout: 5 });
  }
}

async function examine(
  reader: Reader,
  { version, hasMigrations, now }: {
    version: string;
    hasMigrations: boolean | undefined;
    now: () => number;
  },
): Promise<Examination> {
  // The catalog can be read by everybody.
  const [there] = await reader<
    { schemas: string[]; hasVersion: boolean }[]
  >`
    select
      array(
        select n.nspname::text from pg_catalog.pg_namespace as n
        where n.nspname in ('fairlane', 'fairlane_core')
        order by n.nspname
      ) as schemas,
      exists (
        select from pg_catalog.pg_proc as p
          join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
        where n.nspname = 'fairlane_core' and p.proname = 'version' and p.pronargs = 0
      ) as "hasVersion"
  `;
  const { schemas = [], hasVersion = false } = there ?? {};
  const isInstalled = hasVersion && schemas.includes("fairlane");
  const { findings, notLookedAt } = await lookAt(reader, [
    ...looksAround(now, isInstalled),
    ...isInstalled ? looksAtQueue(version) : [],
  ]);
  return {
    findings: [
      ...isInstalled ? [] : taken(schemas, hasVersion),
      ...isInstalled && hasMigrations === false ? [MIGRATIONS_MISSING] : [],
      ...findings,
    ],
    notLookedAt,
  };
}

/** A second installation would end at the first object that is there. */
const MIGRATIONS_MISSING: Finding = {
  code: "migrations-missing",
  severity: "error",
  what:
    "The database has the queue, and this project has no migrations of it: somebody else has pushed them",
  remedy:
    "Get them from version control, or from the database's history: npx supabase migration fetch --remote; then npx fairlane init",
};

/** Schemas of our names without our functions. */
function taken(schemas: readonly string[], hasVersion: boolean): Finding[] {
  if (hasVersion) {
    return [{
      code: "schema-missing",
      severity: "error",
      what:
        "There is a schema fairlane_core of the queue, and no schema fairlane: the queue was installed in another way, or half of it was dropped",
      remedy:
        "Use another project, or rename fairlane_core after a backup. What serves the tables of public is no guest, and is upgraded from its own checkout",
    }];
  }
  return schemas.map((schema) => ({
    code: "schema-taken",
    severity: "error",
    what: `There is a schema ${schema} which is not the queue's`,
    remedy:
      `Rename it: alter schema ${schema} rename to <another name>. The queue needs this one`,
  }));
}

function unreachable(what: string, remedy: string): Examination {
  return {
    findings: [
      { code: "database-unreachable", severity: "error", what, remedy },
    ],
    notLookedAt: ["The database: there was no connection"],
  };
}
