import { describe, expect, it } from "vitest";
import { postgresServer } from "../../stack/postgres-server.ts";
import { stackAddresses } from "../../stack/stack-addresses.ts";
import { obstacleToDumping } from "../equality/dump.ts";
import { FunctionCalls } from "../function-calls.ts";
import type { Finished, Run } from "../programs.ts";
import type { StackContext } from "../step.ts";
import { dbLint } from "./db-lint.ts";
import { triggerLint } from "./trigger-lint.ts";

/** A program that ends like that. */
function ending(ok: boolean, stdout: string): Run {
  const finished: Finished = { ok, stdout, stderr: "", output: stdout };
  return () => Promise.resolve(finished);
}

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

describe("obstacleToDumping()", () => {
  it.each([
    ["pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15, undefined],
    ["pg_dump (PostgreSQL) 18.1", 17, undefined],
    ["pg_dump (PostgreSQL) 15.18", 17, "pg_dump 15 cannot read Postgres 17"],
  ])("of %s and Postgres %i is %s", async (version, major, expected) => {
    expect(await obstacleToDumping(ending(true, version), major))
      .toBe(expected);
  });

  it("names a pg_dump that is not there", async () => {
    expect(await obstacleToDumping(ending(false, ""), 17))
      .toBe("there is no pg_dump");
  });
});
