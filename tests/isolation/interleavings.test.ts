import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import { reset } from "../support/world.ts";
import { ISOLATIONTESTER, play } from "./isolationtester.ts";
import {
  claim,
  claimAtHome,
  complete,
  completeOther,
  insertDependant,
  type Operation,
  operations,
} from "./operations.ts";
import { type Act, specification } from "./specification.ts";

const HERE = new URL("./", import.meta.url);

beforeAll(async () => {
  // The claimers take what they find.
  await reset();
  for (const file of ["world.sql", "rules.sql"]) {
    await admin().unsafe(readFileSync(new URL(file, HERE), "utf8"));
  }
});
afterAll(async () => {
  await reset();
  await admin()`
    update fairlane_core.settings
    set clock_offset = default, max_lock_wait = default, max_report_wait = default
  `;
  await admin()`drop schema if exists isolation cascade`;
});

describe.skipIf(!existsSync(ISOLATIONTESTER))(
  `in every order (needs ${ISOLATIONTESTER})`,
  () => {
    for (const [index, operation] of operations.entries()) {
      it(`${operation.name} goes together with everything else`, () =>
        expectRulesKept(specification([
          { name: "one", acts: [act(operation, "one")] },
          {
            name: "another",
            acts: operations.slice(index).map((it) => act(it, "another")),
          },
        ])));
    }
    it("three claims for one free slot fill it and no more", () =>
      expectRulesKept(specification([
        { name: "one", acts: [act(claim, "one")] },
        { name: "home", acts: [act(claimAtHome, "home")] },
        { name: "another", acts: [act(claim, "another")] },
      ], "select isolation.set_limit(3);")));
    it("a dependent comes while both of its parents end", () =>
      expectRulesKept(specification([
        { name: "left", acts: [act(complete, "left")] },
        { name: "right", acts: [act(completeOther, "right")] },
        { name: "enqueuer", acts: [act(insertDependant, "enqueuer")] },
      ])));
    it("the same claim twice while its task is requeued", () =>
      expectRulesKept(
        readSpec("a-claim-repeated-while-its-task-is-taken-back"),
      ));
    it("a claim passes over a task that is just being reported on", () =>
      expectRulesKept(readSpec("a-claim-between-the-two-locks-of-a-report")));
    it("a family is cancelled while its parent ends, or one comes again", () =>
      // No order of locks prevents it: a PATCH takes rows as the plan has them.
      expectRulesKept(
        readSpec("a-family-is-cancelled-while-its-parent-ends"),
        /ERROR: {2}deadlock detected/,
      ));
  },
);

function act({ name, sql }: Operation, session: string): Act {
  return { name, sql: sql(session) };
}

function readSpec(name: string): string {
  return readFileSync(new URL(`specs/${name}.spec`, HERE), "utf8");
}

async function expectRulesKept(
  specification: string,
  tolerated?: RegExp,
): Promise<void> {
  const { permutations, complaints } = await play(
    specification,
    stack().dbUrl,
    tolerated,
  );
  expect(complaints).toEqual([]);
  expect(permutations).toBeGreaterThan(0);
}
