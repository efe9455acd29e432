import type { StackAddresses } from "../stack/stack-addresses.ts";
import type { PostgresServer } from "../stack/postgres-server.ts";
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

/** A check of the files alone: it can run while the stack boots. */
export interface CheckoutStep {
  readonly name: string;
  run(context: CheckoutContext): Promise<Outcome>;
}

/** A check of the running stack. */
export interface StackStep {
  readonly name: string;
  run(context: StackContext): Promise<Outcome>;
}
