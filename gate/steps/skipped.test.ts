import { describe, expect, it } from "vitest";
import { postgresServer } from "../../stack/postgres-server.ts";
import { stackAddresses } from "../../stack/stack-addresses.ts";
import { FunctionCalls } from "../function-calls.ts";
import type { StackContext } from "../step.ts";
import { dbLint } from "./commands.ts";
import { triggerLint } from "./trigger-lint.ts";

/** On npm's Postgres; nothing may be run or connected to. */
const context: StackContext = {
  root: "",
  workDir: "",
  run: () => Promise.reject(new Error("A program was run")),
  stack: stackAddresses(1, 1),
  server: postgresServer(17),
  stackLog: "",
  functionCalls: new FunctionCalls(""),
};

describe("on a Postgres without plpgsql_check", () => {
  it.each([dbLint, triggerLint])(
    "$name is skipped, with the reason",
    async (step) => {
      expect(await step.run(context)).toEqual({
        passed: 0,
        failed: 0,
        skipped: ["npm's Postgres has no plpgsql_check"],
        report: "",
      });
    },
  );
});
