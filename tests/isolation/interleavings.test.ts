import { existsSync, readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import { reset } from "../support/world.ts";
import { ISOLATIONTESTER, play } from "./isolationtester.ts";
import { operations } from "./operations.ts";
import { pairSpecification } from "./pair-specification.ts";

const HERE = new URL("./", import.meta.url);
const SPECS = new URL("./specs/", import.meta.url);

beforeAll(async () => {
  // The claimers take what they find.
  await reset();
  await admin().unsafe(readFileSync(new URL("world.sql", HERE), "utf8"));
});
afterAll(async () => {
  await reset();
  await admin()`drop schema if exists isolation cascade`;
});

describe.skipIf(!existsSync(ISOLATIONTESTER))(
  `in every order (needs ${ISOLATIONTESTER})`,
  () => {
    for (const [index, one] of operations.entries()) {
      for (const other of operations.slice(index)) {
        it(`${one.name} and ${other.name} keep the rules`, () =>
          expectRulesKept(pairSpecification(one, other)));
      }
    }
    for (const file of readdirSync(SPECS)) {
      it(
        file.replace(/\.spec$/, "").replaceAll("-", " "),
        () => expectRulesKept(readFileSync(new URL(file, SPECS), "utf8")),
      );
    }
  },
);

async function expectRulesKept(specification: string): Promise<void> {
  const { permutations, complaints } = await play(
    specification,
    stack().dbUrl,
  );
  expect(complaints).toEqual([]);
  expect(permutations).toBeGreaterThan(0);
}
