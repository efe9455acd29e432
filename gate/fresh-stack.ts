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
