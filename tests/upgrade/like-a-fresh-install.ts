import { describeCatalog } from "../../gate/equality/catalog.ts";
import { differences } from "../../gate/equality/differences.ts";
import { query } from "../../gate/query.ts";
import { stack as freshStack } from "../support/stack.ts";

/**
 * What may differ: the platform's defaults and extensions, what an old database
 * has besides and keeps, and the order of columns, of which one that could not
 * be changed in place has moved to the end.
 */
const MAY_DIFFER =
  /^[^\n]*: (columns of|default privileges|(comment on )?(extension|schema)|index old_tasks_by_age)/;

/** How an upgraded database differs from the suites' own, in words. */
export async function differencesFromFresh(dbUrl: string): Promise<string[]> {
  const [upgraded, fresh] = await Promise.all(
    [dbUrl, freshStack().dbUrl].map(describeCatalog),
  );
  const invalid = await query<{ name: string }>(
    dbUrl,
    "select indexrelid::regclass::text as name from pg_index where not indisvalid",
  );
  const sides = { left: "upgraded", right: "fresh" };
  return [
    ...differences(upgraded ?? [], fresh ?? [], sides)
      .filter((line) => !MAY_DIFFER.test(line)),
    ...invalid.map(({ name }) => `Invalid index: ${name}`),
  ];
}
