import { withoutColumnOrder } from "../../gate/equality/column-order.ts";
import { differences } from "../../gate/equality/differences.ts";
import { describeByCatalog } from "../../gate/equality/catalog.ts";
import {
  describeDatabase,
  obstacleToDumping,
} from "../../gate/equality/dump.ts";
import { Programs } from "../../gate/programs.ts";
import { checkoutDir } from "../../stack/paths.ts";
import { chosenServer } from "../../stack/postgres-server.ts";
import { query } from "../../gate/query.ts";
import { stack as freshStack } from "../support/stack.ts";

/** How an upgraded database differs from the suites' own, in words. */
export async function differencesFromFresh(dbUrl: string): Promise<string[]> {
  const { run } = new Programs(checkoutDir);
  const obstacle = await obstacleToDumping(run, chosenServer().major);
  const [upgraded, fresh] = await Promise.all(
    [dbUrl, freshStack().dbUrl].map(async (url) =>
      obstacle === undefined
        ? withoutColumnOrder(await describeDatabase(run, url))
        : await describeByCatalog(url)
    ),
  );
  const invalid = await query<{ name: string }>(
    dbUrl,
    "select indexrelid::regclass::text as name from pg_index where not indisvalid",
  );
  const sides = { left: "upgraded", right: "fresh" };
  return [
    ...differences(upgraded ?? [], fresh ?? [], sides)
      // What an old database has besides, it keeps.
      .filter((line) => !/(Name:|index) old_tasks_by_age/.test(line)),
    ...invalid.map(({ name }) => `Invalid index: ${name}`),
  ];
}
