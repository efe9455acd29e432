import process from "node:process";
import { z } from "zod";
import { functionEnvironment } from "../../stack/function-env.ts";
import type { StackAddresses } from "../../stack/stack-addresses.ts";
import { isGuest } from "./profile.ts";

/** Where the runner of a suite leaves the addresses for the suite. */
export const STACK_VARIABLE = "TEST_STACK";

const Addresses: z.ZodType<StackAddresses> = z.object({
  apiUrl: z.string(),
  functionsUrl: z.string(),
  dbUrl: z.string(),
  adminDbUrl: z.string(),
  anonKey: z.string(),
  serviceRoleKey: z.string(),
  publishableKey: z.string(),
  secretKey: z.string(),
  jwtSecret: z.string(),
});

/** The environment that hands a running stack to vitest. */
export function stackEnvironment(
  stack: StackAddresses,
): Record<typeof STACK_VARIABLE, string> {
  return { [STACK_VARIABLE]: JSON.stringify(Addresses.parse(stack)) };
}

/** The stack that this test process runs against. */
export function stack(): StackAddresses {
  const json = process.env[STACK_VARIABLE];
  if (json === undefined) {
    throw new Error("No stack: run this file through a vitest project");
  }
  return Addresses.parse(JSON.parse(json));
}

/** The environment that the stack gives to its functions. */
export function functionEnv(): Record<string, string> {
  return functionEnvironment(stack(), isGuest ? { FAIRLANE_SCHEMA: "" } : {});
}
