import { expect, test } from "vitest";
import { beginOf, headersOf, statementOf } from "./transaction.ts";

const CLAIM = {
  name: "claim_next_task",
  only_reads: false,
  types: { p_caller: "jsonb", p_worker_id: "text", p_dry_run: "boolean" },
};

test("a function that only reads is called in a transaction that only reads", () => {
  expect(beginOf(CLAIM, "id")).toMatch(/^begin read write;/);
  expect(beginOf({ ...CLAIM, only_reads: true }, "id"))
    .toMatch(/^begin read only;/);
});

test("nothing in a request id ends its literal", () => {
  expect(beginOf(CLAIM, "a'; drop table x; --"))
    .toContain(`'{"x-request-id":"a''; drop table x; --"}'`);
});

test("the call names the arguments that are given, and no others", () => {
  const text = statementOf("fairlane", CLAIM, {
    p_caller: {},
    p_worker_id: "w",
    p_dry_run: undefined,
  }).replaceAll(/\s+/g, " ");
  expect(text).toContain('as a ("p_caller" jsonb, "p_worker_id" text)');
  expect(text).toContain(
    'lateral "fairlane"."claim_next_task"("p_caller" => a."p_caller", "p_worker_id" => a."p_worker_id")',
  );
});

test("a schema is quoted, whatever its name is", () => {
  expect(statementOf('a"b', CLAIM, {})).toContain('"a""b"."claim_next_task"()');
});

test("headers are read as PostgREST reads them", () => {
  expect([...headersOf('[{"x-a": "1"}, {"x-b": "2"}]')])
    .toEqual([["x-a", "1"], ["x-b", "2"]]);
  for (const none of [null, ""]) expect([...headersOf(none)]).toEqual([]);
});
