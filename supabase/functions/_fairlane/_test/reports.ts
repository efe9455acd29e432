import fc from "fast-check";
import { expect } from "vitest";
import type { EndpointDeps, Handler } from "../frame/endpoint.ts";
import { jsonText } from "../json/raw-json.ts";
import { createWorld, KEYS, TASK_ID } from "./fakes.ts";
import { encoded } from "./report-encoders.ts";

/** What every report of a test says; it must reach the database. */
export const SAID = "RuntimeError: the loss is gone";

const oddText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.constantFrom(
    "",
    "\0",
    "\ud83d",
    "\udcff\udc80",
    "\u2028</script>",
    'a"b\\c\n\r\t\u001b[31m',
    "\\u0000 \\ud800",
    "NaN",
    "true",
    TASK_ID,
  ),
);

const oddNumber = fc.oneof(
  fc.double(),
  fc.constantFrom(NaN, Infinity, -Infinity, -0, 5e-324, 1e308),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.constantFrom(10n ** 500n, -(10n ** 399n)),
);

/** Nested lists, as deep as a worker's own data may be by mistake. */
const deep = fc.integer({ min: 1, max: 400 }).map((depth) => {
  let value: unknown = NaN;
  for (let at = 0; at < depth; at++) value = at % 2 ? [value] : { a: value };
  return value;
});

const oddValue: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    oddText,
    oddNumber,
    fc.constantFrom(null, true, false, undefined),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(oddText, tie("value"), { maxKeys: 4 }),
  ),
})).value;

/** What a report of a test holds. */
export interface ReportFields {
  readonly needed: Readonly<Record<string, unknown>>;
  /** Fields that may hold anything. */
  readonly optional: readonly string[];
  /** Fields of which one says what happened. */
  readonly words: readonly string[];
}

/** Reports with anything in them, as clients in four languages write them. */
export function anyReport({ needed, optional, words }: ReportFields) {
  return encoded(
    fc.record({
      extra: fc.dictionary(
        fc.constantFrom(...optional, "attempts", "clear_worker", "__proto__"),
        fc.oneof(
          { weight: 8, arbitrary: oddValue },
          { weight: 1, arbitrary: deep },
        ),
        { maxKeys: 5 },
      ),
      said: fc.constantFrom(...words),
      around: oddText,
    }).map(({ extra, said, around }) => ({
      ...needed,
      ...extra,
      [said]: `${around}${SAID}`,
    })),
  );
}

/**
 * Sends 2,000 such reports. Each is taken, says what it had to say, and asks
 * the database with JSON that it can store.
 */
export async function assertTakesEveryReport(
  createHandler: (deps: EndpointDeps) => Handler,
  fields: ReportFields,
  reply: string,
): Promise<void> {
  const property = fc.asyncProperty(anyReport(fields), async (body) => {
    const world = createWorld(reply);
    const response = await createHandler(world.deps)(
      new Request("http://functions.test/any", {
        method: "POST",
        headers: { authorization: `Bearer ${KEYS.secret}` },
        body,
      }),
    );
    expect(response.status).toBe(200);
    expect(world.rpcCalls).toHaveLength(1);
    const args = jsonText(world.rpcCalls[0]?.args ?? {});
    assertStorable(args);
    expect(JSON.parse(args)).toMatchObject({ p_task_id: TASK_ID });
    expect(args).toContain(SAID);
  });
  await fc.assert(property, { numRuns: 2_000, seed: 20_261_130 });
}

/** JSON whose strings and numbers Postgres takes as jsonb. */
function assertStorable(json: string): void {
  const plain = json.replaceAll("\\\\", "");
  expect(plain).not.toMatch(/\\u0000|\0/);
  expect(plain.replace(/\\ud[89ab]..\\ud[c-f]../gi, ""))
    .not.toMatch(/\\ud[89a-f]/i);
  expect(json).not.toMatch(/\p{Surrogate}/u);
  const outsideStrings = plain.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  for (const [number] of outsideStrings.matchAll(/-?\d[\d.eE+-]*/g)) {
    expect(number.length).toBeLessThanOrEqual(400);
    expect(Math.abs(Number(/[eE](.*)/.exec(number)?.[1] ?? 0)))
      .toBeLessThanOrEqual(400);
  }
}
