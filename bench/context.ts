import type { Sql } from "postgres";
import type { BenchStack } from "./bench-stack.ts";
import type { Probe } from "./measure/probe.ts";
import type { Plan } from "./plan.ts";

/** What every section of the bench works with. */
export interface Context {
  plan: Plan;
  stack: BenchStack;
  /** As superuser; not measured. */
  admin: Sql;
  probe: Probe;
  /** When (as Date.now() says it) what is left of the matrix is left out. */
  deadline: number;
  /** Prints one line of progress. */
  log(line: string): void;
}
