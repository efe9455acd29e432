import type postgres from "postgres";
import type { Ledger } from "../ledger.ts";
import { type Peak, slotPeaks, type Step, stepsOf } from "./history.ts";
import { type Totals, totals } from "./totals.ts";

/** What the database says of a run. */
export interface Evidence {
  readonly totals: Totals;
  readonly peaks: readonly Peak[];
  /** What became of the task that the dead worker had in hand, if one died. */
  readonly lostSteps: readonly Step[];
}

/** Asks the database for everything that a promise is compared with. */
export async function gatherEvidence(
  sql: postgres.Sql,
  { lostStart }: Ledger,
): Promise<Evidence> {
  return {
    totals: await totals(sql),
    peaks: await slotPeaks(sql),
    lostSteps: lostStart ? await stepsOf(sql, lostStart.taskId) : [],
  };
}
