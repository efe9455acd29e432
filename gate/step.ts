import type { StackAddresses } from "../stack/stack-addresses.ts";
import type { PostgresServer } from "../stack/postgres-server.ts";
import type { startFreshStack } from "./fresh-stack.ts";
import type { FunctionCalls } from "./function-calls.ts";
import type { Outcome } from "./outcome.ts";
import type { Run } from "./programs.ts";

/** What a step that only reads the checkout may use. */
export interface CheckoutContext {
  /** The checkout's folder. */
  readonly root: string;
  /** A folder of this run; it is wiped before the next one. */
  readonly workDir: string;
  readonly run: Run;
}

/** What a step that talks to the running stack may use. */
export interface StackContext extends CheckoutContext {
  readonly stack: StackAddresses;
  /** What runs the stack's database. */
  readonly server: PostgresServer;
  /** Where requests and the words of the stack's parts are logged. */
  readonly stackLog: string;
  readonly functionCalls: FunctionCalls;
}

/** A check of the files alone, or one that makes its own databases. */
export interface CheckoutStep {
  readonly name: string;
  run(context: CheckoutContext): Promise<Outcome>;
}

/** A check of the running stack. */
export interface StackStep {
  readonly name: string;
  run(context: StackContext): Promise<Outcome>;
}

/** A check that looks back at all stacks when everything else is over. */
export interface LastStep {
  readonly name: string;
  run(contexts: readonly StackContext[]): Promise<Outcome>;
}

/** A stack that steps run on. */
export interface GateStack {
  /** Also the name of its log and of its folder. */
  readonly name: string;
  readonly server: () => PostgresServer;
  readonly begin: typeof startFreshStack;
}

/** Steps one after the other, beside those of other lanes. */
export interface Lane {
  /** What its steps run on; it is started for the first that needs it. */
  readonly stack: GateStack;
  /** These first, on its stack and no other. */
  readonly steps: readonly StackStep[];
}

/**
 * Lanes side by side. What is no lane's own is taken, in this order, by the
 * lane that has nothing else to do: so they end together, whatever a step takes.
 */
export interface Crew {
  readonly lanes: readonly Lane[];
  /** They wait for time to pass, and so hold up no lane. */
  readonly beside: readonly CheckoutStep[];
  readonly files: readonly CheckoutStep[];
  /** Each on the stack of the lane that takes it. */
  readonly steps: readonly StackStep[];
}
