import { describe, expect, it } from "vitest";
import { parseTap } from "./tap-result.ts";

const GREEN = `supabase/tests/a.test.sql .. 
1..2
ok 1 - claims the oldest
ok 2 - then the next
ok
All tests successful.
Files=1, Tests=2,  0 wallclock secs
Result: PASS
`;

const RED = `./a.test.sql ...... 
1..4
ok 1 - fine
not ok 2 - one is two
# Failed test 2: "one is two"
#         have: 1
#         want: 2
ok 3 # SKIP no network
not ok 4 - todo thing # TODO later
# Failed (TODO) test 4: "todo thing"
Failed 1/4 subtests 
	(less 1 skipped subtest: 2 okay)
./sub/dies.test.sql .. 
1..3
ok 1 - fine
psql:sub/dies.test.sql:5: ERROR:  function nosuch() does not exist
Dubious, test returned 3 (wstat 768, 0x300)
Failed 2/3 subtests 
./sub/too many.test.sql .. 
1..1
ok 1 - fine
ok 2 - too many
All 1 subtests passed 

Test Summary Report
-------------------
./a.test.sql    (Wstat: 0 Tests: 4 Failed: 1)
  Failed test:  2
./sub/dies.test.sql (Wstat: 768 (exited 3) Tests: 1 Failed: 0)
  Non-zero exit status: 3
  Parse errors: Bad plan.  You planned 3 tests but ran 1.
./sub/too many.test.sql (Wstat: 0 Tests: 2 Failed: 1)
  Failed test:  2
  Parse errors: Bad plan.  You planned 1 tests but ran 2.
Result: FAIL
`;

describe("parseTap()", () => {
  it("counts the lines of green files", () => {
    expect(parseTap(GREEN))
      .toEqual({ passed: 2, failed: 0, skipped: [], report: "" });
  });

  it("counts a failed line, a file that died, and a broken plan", () => {
    expect(parseTap(RED)).toMatchObject({ passed: 4, failed: 3 });
  });

  it("counts neither SKIP nor an expected TODO failure as passed", () => {
    expect(parseTap(RED).skipped).toEqual([
      "./a.test.sql: skip no network",
      "./a.test.sql: todo later",
    ]);
  });

  it("reports the reason and leaves green lines out", () => {
    const { report } = parseTap(RED);
    expect(report).toContain("have: 1");
    expect(report).toContain("ERROR:  function nosuch() does not exist");
    expect(report).toContain("You planned 1 tests but ran 2");
    expect(report).not.toContain("ok 1 - fine");
  });

  it("finds nothing in the output of a run that never began", () => {
    expect(parseTap("psql: error: connection refused")).toMatchObject({
      passed: 0,
      failed: 0,
    });
  });
});
