import { removeDatabase } from "../stack/postgres.ts";
import { type Stack, startStack } from "../stack/stack.ts";
import { prepareStateDirs } from "../stack/state-dir.ts";

/** A stack on free ports, with an empty, migrated database and no seed. */
export async function startFreshStack(
  stateDir: string,
  onLog: (line: string) => void = () => {},
): Promise<Stack> {
  // An earlier run may have been killed and left its server running.
  await removeDatabase(prepareStateDirs(stateDir));
  // The generous grants: here a forgotten `revoke` is found.
  return await startStack({ stateDir, exposeNewTables: true, onLog });
}
