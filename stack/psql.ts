import type { Postgres } from "./postgres.ts";
import { postgresProgram } from "./paths.ts";
import { runOrThrow } from "./run.ts";

/** What to run, as whom. */
export interface PsqlCall {
  role: "supabase_admin" | "postgres";
  /** Run in this order, in one transaction. */
  files?: string[];
  command?: string;
  variables?: Record<string, string>;
}

/** Runs SQL over the local socket; throws with psql's words when it fails. */
export function psql(postgres: Postgres, call: PsqlCall): Promise<string> {
  const args = ["-X", "-q", "-A", "-t", "-1", "-v", "ON_ERROR_STOP=1"];
  for (const [name, value] of Object.entries(call.variables ?? {})) {
    args.push("-v", `${name}=${value}`);
  }
  for (const file of call.files ?? []) args.push("-f", file);
  if (call.command !== undefined) args.push("-c", call.command);
  return runOrThrow("psql", postgresProgram("psql"), args, {
    env: {
      PATH: "/usr/bin:/bin",
      LC_ALL: "C.UTF-8",
      PGHOST: postgres.socketDir,
      PGPORT: String(postgres.port),
      PGUSER: call.role,
      PGDATABASE: "postgres",
      // A notice for each thing that exists already is noise here.
      PGOPTIONS: "-c client_min_messages=warning",
    },
  });
}
