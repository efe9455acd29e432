import postgres from "postgres";
import type { Examination, Finding } from "../finding.ts";
import { looksAtQueue } from "./installation.ts";
import { lookAt, type Reader, STATEMENT_TIMEOUT } from "./looks.ts";
import { looksAround } from "./surroundings.ts";

/** How a database is looked at. */
export interface DatabaseOptions {
  /** That of the package. */
  readonly version: string;
  /** Milliseconds since 1970, as this machine sees it. */
  readonly now?: () => number;
}

/** Looks at a database, in one transaction that can only read. */
export async function examineDatabase(
  url: string,
  { version, now = Date.now }: DatabaseOptions,
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
      return await examine(reader, version, now);
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

function connect(url: string): postgres.Sql {
  const saysHow = /[?&]ssl(?:mode)?=/.test(url);
  return postgres(url, {
    max: 1,
    // A pooler in transaction mode keeps no statements.
    prepare: false,
    connect_timeout: 10,
    // Encrypted wherever the server can, as psql does.
    ...saysHow ? {} : { ssl: "prefer" as const },
    onnotice: () => {},
  });
}

async function examine(
  reader: Reader,
  version: string,
  now: () => number,
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
      ...findings,
    ],
    notLookedAt,
  };
}

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

/** The server's own words contain no password; those of others are not repeated. */
function reasonOf(error: unknown): string {
  return error instanceof postgres.PostgresError
    ? error.message
    : codeOf(error) ?? "";
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}
