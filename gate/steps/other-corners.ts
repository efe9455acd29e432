import {
  chosenServer,
  type PostgresServer,
  serversHere,
} from "../../stack/postgres-server.ts";
import { type Grants, migratedUnder } from "../equality/both-grants.ts";
import { skips, total } from "../outcome.ts";
import type { CheckoutContext, CheckoutStep } from "../step.ts";
import { proveDatabase } from "./database.ts";

/** A version of Postgres under one of the platform's defaults for grants. */
interface Corner {
  readonly server: PostgresServer;
  readonly grants: Grants;
}

/**
 * pgTAP where neither `database` nor `database-as-hosted` runs it: between them
 * each version and each default is tested, but not each with the other.
 */
export const databaseInOtherCorners: CheckoutStep = {
  name: "database-other-corners",
  async run(context) {
    const { servers, obstacle } = serversHere();
    const corners = otherCorners(servers, chosenServer());
    // Each has a database of its own, and all of it is one session.
    const outcomes = await Promise.all(
      corners.map((corner) => proveIn(corner, context)),
    );
    return total([
      ...outcomes,
      ...(obstacle
        ? [skips(`${databaseInOtherCorners.name} on ${obstacle}`)]
        : []),
    ]);
  },
};

/** Those of these servers that no stack of the gate is, given its own. */
export function otherCorners(
  servers: readonly PostgresServer[],
  own: PostgresServer,
): Corner[] {
  return servers.flatMap((server): Corner[] => [
    // The gate's own stack is generous, the one as hosted is 17 and strict.
    ...(server.major === own.major
      ? []
      : [{ server, grants: "generous" as const }]),
    ...(server.major === 17 ? [] : [{ server, grants: "strict" as const }]),
  ]);
}

async function proveIn({ server, grants }: Corner, context: CheckoutContext) {
  const database = await migratedUnder(grants, server, context);
  try {
    const { url: dbUrl, adminUrl: adminDbUrl } = database;
    const stack = { dbUrl, adminDbUrl };
    const outcome = await proveDatabase({ ...context, server, stack });
    const where = `On Postgres ${server.major} with ${grants} grants:\n`;
    return outcome.failed === 0
      ? outcome
      : { ...outcome, report: where + outcome.report };
  } finally {
    await database.discard();
  }
}
