import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutDir, hasHostedDeno } from "../stack/paths.ts";
import { type Stack, type StackOptions, startStack } from "../stack/stack.ts";
import { guestMigration } from "./migrations/guest.ts";

/** A stack on free ports, with an empty, migrated database and no seed. */
export async function startFreshStack(
  stateDir: string,
  onLog: (line: string) => void = () => {},
  more: Partial<StackOptions> = {},
): Promise<Stack> {
  // The generous grants: here a forgotten `revoke` is found.
  const exposeNewTables = true;
  const fresh = true;
  return await startStack({ stateDir, fresh, exposeNewTables, onLog, ...more });
}

/**
 * What hosted projects run, as far as npm has it: Postgres 17, functions on the
 * Deno that the hosted runtime is built on, and the strict grants of new projects.
 */
export async function startStackAsHosted(
  stateDir: string,
  onLog: (line: string) => void = () => {},
  more: Partial<StackOptions> = {},
): Promise<Stack> {
  return await startFreshStack(stateDir, onLog, {
    postgres: 17,
    deno: hasHostedDeno ? "2.1" : "2.9",
    exposeNewTables: false,
    ...more,
  });
}

/** A hosted project that has the queue as a guest. */
export async function startStackOfAGuest(
  stateDir: string,
  onLog: (line: string) => void = () => {},
): Promise<Stack> {
  return await startStackAsHosted(stateDir, onLog, asGuestIn(stateDir));
}

/**
 * What makes a stack a guest's: the database is the guest's migration and what
 * guests may ask for, the router calls the schema that it calls by itself, and
 * the Data API serves that schema, too, which is for guests to choose.
 */
export function asGuestIn(stateDir: string): Partial<StackOptions> {
  mkdirSync(stateDir, { recursive: true });
  const migration = join(stateDir, "guest.sql");
  writeFileSync(migration, guestMigration(checkoutDir) + ASKED_FOR);
  return {
    migration,
    functionEnv: { FAIRLANE_SCHEMA: "" },
    schemas: ["public", "graphql_public", "fairlane"],
  };
}

/** Where the fleet ships another setting, tests begin with the fleet's. */
const ASKED_FOR = `
create extension if not exists pg_cron;
select fairlane_core.schedule_jobs();
select fairlane_core.make_bucket();
update fairlane_core.settings set registers_owners = false, requires_credits = true, owners_are_accounts = false, fails_siblings = true;
`;
