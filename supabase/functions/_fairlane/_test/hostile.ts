import fc from "fast-check";
import { expect } from "vitest";
import { ErrorBody } from "../../../../shared/error-codes.ts";
import type { EndpointDeps, Handler } from "../frame/endpoint.ts";
import { createWorld, KEYS, TASK_ID } from "./fakes.ts";

const REFUSALS = [400, 401, 403, 404, 405, 409, 413];
const LEAKS =
  /canary|\bat \S+:\d+|\.ts\b|node_modules|zod|SyntaxError|ZodError/;

const oddText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    "",
    "\0",
    "\ud800",
    "NaN",
    "Infinity",
    "-1",
    "now",
    "infinity",
    "2026-02-30",
    "294277-01-01",
    "../../etc/passwd",
    "__proto__",
    "' or 1=1 --",
    "\r\n\u001b[31m",
    TASK_ID,
    `{${TASK_ID.toUpperCase()}}`,
    "x".repeat(10_000),
    "😀".repeat(1_000),
    ...Object.values(KEYS),
  ),
);
const oddValue = fc.oneof(
  oddText,
  fc.jsonValue(),
  fc.constantFrom<unknown>(null, -0, 0.5, -1, 1e308, true, [], {}, [null]),
);
const numberSource = fc.constantFrom(
  "1e400",
  "9007199254740993",
  "1e99999",
  "-0",
  "NaN",
  "01",
);

/**
 * Keys that look like any other word. A client that gives its worker such a
 * name has it logged, as all names are; nothing could tell it from a name.
 */
const UNMARKED_KEYS: readonly unknown[] = [KEYS.token, KEYS.jwtSecret];
const isNamedAfterKey = ([field, value]: readonly [string, unknown]) =>
  field === "worker_id" && UNMARKED_KEYS.includes(value);

/** Bodies of which some are nearly right and some are not even text. */
function hostileBody(
  valid: Readonly<Record<string, unknown>>,
): fc.Arbitrary<string | Uint8Array<ArrayBuffer>> {
  const field = fc.constantFrom(...Object.keys(valid), "__proto__", "toString");
  const mutated = fc.array(fc.tuple(field, oddValue), { maxLength: 3 }).map(
    (changes) => {
      const members = { ...Object.fromEntries(Object.entries(valid)) };
      const source = Object.entries(members).concat(
        changes.filter((change) => !isNamedAfterKey(change)),
      );
      return `{${
        source.map(([key, value]) =>
          `${JSON.stringify(key)}:${JSON.stringify(value)}`
        ).join(",")
      }}`;
    },
  );
  const badNumber = fc.tuple(field, numberSource).map(([key, number]) =>
    `{${JSON.stringify(key)}:${number}}`
  );
  const deep = fc.integer({ min: 1, max: 20_000 }).map((depth) =>
    `{"result_data":${"[".repeat(depth)}${"]".repeat(depth)}}`
  );
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) =>
    new Uint8Array(array)
  );
  return fc.oneof(
    { weight: 6, arbitrary: mutated },
    { weight: 2, arbitrary: badNumber },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: deep },
    { weight: 1, arbitrary: oddText },
    { weight: 1, arbitrary: bytes },
  );
}

/**
 * Sends 500 hostile bodies while the database is well: every one is answered
 * with the expected reply or a refusal in our own words, in one log line.
 */
export async function assertSurvivesHostileBodies(
  createHandler: (deps: EndpointDeps) => Handler,
  valid: Readonly<Record<string, unknown>>,
  reply: string,
  alsoExpected: readonly number[] = [],
): Promise<void> {
  const property = fc.asyncProperty(hostileBody(valid), async (body) => {
    const world = createWorld(reply);
    const response = await createHandler(world.deps)(
      new Request("http://functions.test/any", {
        method: "POST",
        headers: { authorization: `Bearer ${KEYS.secret}` },
        body,
      }),
    );
    const text = await response.text();
    if (response.status === 200) expect(text).toBe(reply);
    else {
      expect([...REFUSALS, ...alsoExpected]).toContain(response.status);
      ErrorBody.parse(JSON.parse(text));
      expect(text).not.toMatch(LEAKS);
    }
    expect(world.lines).toHaveLength(1);
    expect(world.lines[0]).not.toMatch(/\p{Cc}|sb_secret|canary[1256]/u);
  });
  await fc.assert(property, { numRuns: 500 });
}
