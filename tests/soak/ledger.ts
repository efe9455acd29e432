import { Silence } from "./silence.ts";

/** How a task had ended, as a worker was told. */
export interface Told {
  readonly taskId: string;
  readonly status: string;
  readonly outputLocation: string | null;
}

/** What the workers of one run saw. */
export class Ledger {
  /** Every reply that called a task ended. */
  readonly told: Told[] = [];
  /** Replies that no correct worker should get. */
  readonly unexpected: string[] = [];
  /** Between two claims that were answered. */
  readonly silence = new Silence();
  calls = 0;
  /** Calls that got no answer, or one that says to try again. */
  failedCalls = 0;
  /** Workers that died with a task in their hands. */
  deaths = 0;
  /** 409 to a worker whose lease was over, or that had been given up. */
  refusals = 0;
}
