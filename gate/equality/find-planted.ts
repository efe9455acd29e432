import { type Outcome, passesWithout, total } from "../outcome.ts";
import { query } from "../query.ts";
import { differences, type Entry } from "./differences.ts";
import type { Planted } from "./planted.ts";

/**
 * Proves that a comparison sees differences: makes some between two databases
 * that were found equal, and looks for each in what it finds then.
 */
export async function findPlanted(
  planted: readonly Planted[],
  [left, right]: readonly [left: string, right: string],
  describe: (url: string) => Promise<Entry[]>,
): Promise<Outcome> {
  for (const { common, change } of planted) {
    await query(left, common);
    await query(right, `${common};\n${change}`);
  }
  const found = differences(await describe(left), await describe(right), {
    left: "without",
    right: "planted",
  });
  return total(planted.map(({ what, object }) =>
    passesWithout(
      found.some((finding) => finding.includes(object))
        ? []
        : [`The comparison is blind to ${what}`],
    )
  ));
}
