import type { PostgresServer } from "./postgres-server.ts";

/**
 * What of a commit that was acknowledged is still there afterwards.
 *
 * True: all of it, as in production. "kills": all of it after `kill -9` of
 * anything, not after a power cut; the kernel has it, and a start after a kill
 * need not wait for the disk. False: the last moments may be missing.
 */
export type Durable = boolean | "kills";

/** What differs between one local Postgres and another. */
export interface PostgresSettings {
  port: number;
  socketDir: string;
  server: PostgresServer;
  durable: Durable;
}

/** Text of the configuration file that the stack adds to initdb's. */
export function postgresSettings(settings: PostgresSettings): string {
  const { durable } = settings;
  const written = durable ? "on" : "off";
  const values: Record<string, string | number> = {
    listen_addresses: "127.0.0.1",
    port: settings.port,
    unix_socket_directories: settings.socketDir,
    // Only a superuser could load these later; the hosted service does it too.
    shared_preload_libraries: settings.server.preload.join(","),
    "cron.database_name": "postgres",
    // pg_cron logs in as the job's owner; over the socket it needs no password.
    "cron.host": settings.socketDir,
    password_encryption: "scram-sha-256",
    wal_level: "logical",
    max_connections: 100,
    max_worker_processes: 16,
    shared_buffers: "128MB",
    fsync: durable === true ? "on" : "off",
    synchronous_commit: written,
    full_page_writes: written,
    // As on the hosted service, where short queries are the rule.
    jit: "off",
    timezone: "UTC",
    log_timezone: "UTC",
    log_min_messages: "warning",
  };
  return Object.entries(values)
    .map(([name, value]) => `${name} = ${quote(value)}\n`)
    .join("");
}

function quote(value: string | number): string {
  return `'${String(value).replaceAll("'", "''")}'`;
}
