import { hasHostedDeno } from "../stack/paths.ts";
import { type Stack, startStack } from "../stack/stack.ts";

/** A stack on free ports, with an empty, migrated database and no seed. */
export async function startFreshStack(
  stateDir: string,
  onLog: (line: string) => void = () => {},
): Promise<Stack> {
  // The generous grants: here a forgotten `revoke` is found.
  const exposeNewTables = true;
  return await startStack({ stateDir, fresh: true, exposeNewTables, onLog });
}

/**
 * What hosted projects run, as far as npm has it: Postgres 17, functions on the
 * Deno that the hosted runtime is built on, and the strict grants of new projects.
 */
export async function startStackAsHosted(
  stateDir: string,
  onLog: (line: string) => void = () => {},
): Promise<Stack> {
  return await startStack({
    stateDir,
    fresh: true,
    postgres: 17,
    deno: hasHostedDeno ? "2.1" : "2.9",
    exposeNewTables: false,
    onLog,
  });
}
