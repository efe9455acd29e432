import { withoutColumnOrder } from "../../gate/equality/column-order.ts";
import { differences } from "../../gate/equality/differences.ts";
import { describeDatabase } from "../../gate/equality/dump.ts";
import { Programs } from "../../gate/programs.ts";
import { checkoutDir } from "../../stack/paths.ts";
import { query } from "../../gate/query.ts";
import { stack as freshStack } from "../support/stack.ts";

/** How an upgraded database differs from the suites' own, in words. */
export async function differencesFromFresh(dbUrl: string): Promise<string[]> {
  const { run } = new Programs(checkoutDir);
  const [upgraded, fresh] = await Promise.all(
    [dbUrl, freshStack().dbUrl].map(async (url) =>
      withoutColumnOrder(await describeDatabase(run, url))
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
      .filter((line) => !line.includes("Name: old_tasks_by_age; Type: INDEX")),
    ...invalid.map(({ name }) => `Invalid index: ${name}`),
  ];
}
