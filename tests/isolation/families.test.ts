import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import { reset } from "../support/world.ts";
import { ISOLATIONTESTER, play } from "./isolationtester.ts";
import type { Operation } from "./operations.ts";
import { specification } from "./specification.ts";

const HERE = new URL("./", import.meta.url);

/** What happens to an orchestrator and to the two children that it has. */
const operations: readonly Operation[] = [
  {
    name: "complete one child",
    sql: (session) => `select isolation.complete('${session}', 'join 0')`,
  },
  {
    name: "complete the other child",
    sql: (session) => `select isolation.complete('${session}', 'join 1')`,
  },
  {
    name: "fail a child",
    sql: (session) =>
      `select isolation.report('${session}', 'join 0', 'Failed')`,
  },
  {
    name: "cancel a child",
    sql: (session) =>
      `select isolation.report('${session}', 'join 1', 'Cancelled')`,
  },
  {
    name: "delete a child",
    sql: () => "delete from public.tasks where id = isolation.id('join 1')",
  },
  {
    name: "cancel the orchestrator",
    sql: (session) =>
      `select isolation.report('${session}', 'orchestrator', 'Cancelled')`,
  },
  {
    name: "complete the orchestrator",
    sql: (session) => `select isolation.complete('${session}', 'orchestrator')`,
  },
  {
    name: "insert a child",
    sql: (session) => `select isolation.insert_join('new of ${session}', 2)`,
  },
  {
    name: "insert a child again",
    sql: (session) => `select isolation.insert_join('again of ${session}', 0)`,
  },
  {
    name: "reset a child",
    sql: () => "select isolation.patch('Queued', 'join 0')",
  },
  {
    name: "mend",
    sql: () => "select fairlane_core.repair_orchestrations()::text",
  },
];

beforeAll(async () => {
  await reset();
  const words = "../support/fleet-words.sql";
  for (const file of ["world.sql", "rules.sql", words, "family.sql"]) {
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
    it.each(operations.map((operation, index) => ({ ...operation, index })))(
      "of two sessions, $name goes together with everything else",
      async ({ name, sql, index }) => {
        const { permutations, complaints } = await play(
          specification(
            [
              { name: "one", acts: [{ name, sql: sql("one") }] },
              {
                name: "another",
                acts: operations.slice(index).map((other) => ({
                  name: other.name,
                  sql: other.sql("another"),
                })),
              },
            ],
            "select isolation.insert_orchestrator();",
            "isolation.expect_family",
          ),
          stack().dbUrl,
        );
        expect(complaints).toEqual([]);
        expect(permutations).toBeGreaterThan(0);
      },
    );
  },
);
