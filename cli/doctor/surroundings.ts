import type { Finding } from "../finding.ts";
import { withoutCron } from "./health.ts";
import type { Look, Reader } from "./looks.ts";

const OLDEST_POSTGRES = 15;
const MAX_CLOCK_DIFFERENCE_S = 30;

/** What the queue needs of the project that it is in. */
export function looksAround(
  now: () => number,
  isInstalled: boolean,
): readonly Look[] {
  return [
    { what: "The version of Postgres", look: postgresVersion },
    { what: "The roles of Supabase", look: roles },
    {
      what: "The clock of the database",
      look: (reader) => clock(reader, now),
    },
    { what: "pg_cron", look: (reader) => cron(reader, isInstalled) },
  ];
}

async function postgresVersion(reader: Reader): Promise<Finding[]> {
  const [row] = await reader<{ number: number }[]>`
    select current_setting('server_version_num')::integer as number
  `;
  const major = Math.floor((row?.number ?? 0) / 10_000);
  return major >= OLDEST_POSTGRES ? [] : [{
    code: "postgres-too-old",
    severity: "error",
    what:
      `This is Postgres ${major}; the queue needs ${OLDEST_POSTGRES} or later`,
    remedy: "Upgrade the project, in its dashboard under Infrastructure",
  }];
}

async function roles(reader: Reader): Promise<Finding[]> {
  const rows = await reader<
    { name: string; isThere: boolean; login: string; isMember: boolean }[]
  >`
    select
      w.name,
      r.oid is not null as "isThere",
      quote_ident(current_user) as login,
      coalesce(pg_has_role(current_user, r.oid, 'member'), false) as "isMember"
    from unnest(array['anon', 'authenticated', 'service_role', 'authenticator']) as w (name)
      left join pg_catalog.pg_roles as r on r.rolname = w.name
  `;
  const missing = rows.filter(({ isThere }) => !isThere).map((row) => row.name);
  if (missing.length > 0) {
    return [{
      code: "roles-missing",
      severity: "error",
      what: `This is no Supabase database: it lacks ${missing.join(", ")}`,
      remedy: "Name the database of a Supabase project",
    }];
  }
  const service = rows.find(({ name }) => name === "service_role");
  return service === undefined || service.isMember ? [] : [{
    code: "login-is-no-service",
    severity: "warning",
    what:
      `${service.login} is no member of service_role: a function that logs in so cannot work. The platform lets functions log in as postgres`,
    remedy:
      `Nothing, if this login is only for looking; else grant service_role to ${service.login}`,
  }];
}

/** Leases and ages are reckoned by the clock of the database, and people read them by theirs. */
async function clock(reader: Reader, now: () => number): Promise<Finding[]> {
  const before = now();
  const [row] = await reader<{ at: number }[]>`
    select extract(epoch from clock_timestamp())::float8 as at
  `;
  const after = now();
  // The way there and back is nobody's difference.
  const at = (row?.at ?? 0) * 1000;
  const away = Math.max(before - at, at - after) / 1000;
  return away <= MAX_CLOCK_DIFFERENCE_S ? [] : [{
    code: "clocks-differ",
    severity: "warning",
    what: `The clocks of the database and of this machine are ${
      Math.round(away)
    } s apart`,
    remedy: "Let this machine set its clock by NTP; the database's counts",
  }];
}

async function cron(reader: Reader, isInstalled: boolean): Promise<Finding[]> {
  const [row] = await reader<{ version: string }[]>`
    select e.extversion as version from pg_catalog.pg_extension as e where e.extname = 'pg_cron'
  `;
  if (row === undefined) {
    return [{
      code: "pg-cron-missing",
      severity: "note",
      what: "pg_cron is not enabled, so something else has to run the jobs",
      remedy: `Enable it under Integrations, in the project's dashboard.\n${
        withoutCron(isInstalled ? await jobs(reader) : ["its rows"])
      }`,
    }];
  }
  // Debian writes 1.4-1.
  const [major = 0, minor = 0] = row.version.split(".").map((part) =>
    parseInt(part)
  );
  return major > 1 || (major === 1 && minor >= 5) ? [] : [{
    code: "pg-cron-too-old",
    severity: "note",
    what:
      `pg_cron ${row.version} knows no seconds: work of dead machines is looked for once a minute, not every 20 s`,
    remedy: "Upgrade Postgres in the dashboard, if a minute is too long",
  }];
}

async function jobs(reader: Reader): Promise<string[]> {
  const rows = await reader<{ job: string }[]>`
    select j.job from fairlane_core.jobs() as j
  `;
  return rows.map(({ job }) => job);
}
