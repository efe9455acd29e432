import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import { reset } from "../support/world.ts";
import {
  cancelAged,
  cleanUp,
  completeLost,
  create,
  endings,
  failLost,
  insertHeirOfAged,
  requeue,
} from "./endings.ts";
import { ISOLATIONTESTER, play } from "./isolationtester.ts";
import { claim, complete, type Operation } from "./operations.ts";
import { type Session, specification } from "./specification.ts";

const HERE = new URL("./", import.meta.url);

beforeAll(async () => {
  await reset();
  for (const file of ["world.sql", "rules.sql", "endings.sql"]) {
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

/**
 * Groups of operations that meet on the same tasks. How claims meet with each
 * other is seen elsewhere.
 */
const groups: readonly (readonly [string, readonly Operation[]])[] = [
  ["what runs", endings],
  ["what has failed", [requeue, completeLost, failLost, claim]],
  ["what nobody waits for", [cleanUp, insertHeirOfAged, cancelAged, claim]],
  ["what is created twice", [create, claim]],
];

describe.skipIf(!existsSync(ISOLATIONTESTER))(
  `in every order (needs ${ISOLATIONTESTER})`,
  () => {
    describe.each(groups)("of %s", (_what, operations) => {
      it.each(
        operations.filter((it) => it !== claim)
          .map((operation, index) => ({ ...operation, index })),
      )(
        "$name goes together with the others",
        ({ index, ...operation }) =>
          expectRulesKept([
            session("one", operation),
            session("another", ...operations.slice(index)),
          ]),
      );
    });

    it("three completions of one task leave one result", () =>
      expectRulesKept(
        ["one", "two", "three"].map((name) => session(name, complete)),
      ));
  },
);

function session(name: string, ...operations: readonly Operation[]): Session {
  const acts = operations.map((operation) => ({
    name: operation.name,
    sql: operation.sql(name),
  }));
  return { name, acts };
}

async function expectRulesKept(sessions: readonly Session[]): Promise<void> {
  const { permutations, complaints } = await play(
    specification(sessions, "select isolation.insert_endings();"),
    stack().dbUrl,
  );
  expect(complaints).toEqual([]);
  expect(permutations).toBeGreaterThan(0);
}
