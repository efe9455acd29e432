import { describe, expect, it } from "vitest";
import { complaintsAbout } from "./functions-executed.ts";

const CALLED = { name: "claim()", isApi: true, calls: 3, callsOverHttp: 2 };

describe("complaintsAbout()", () => {
  it("accepts what requests execute", () => {
    expect(complaintsAbout(CALLED)).toEqual([]);
  });

  it("names a function that nothing executes", () => {
    expect(complaintsAbout({ ...CALLED, calls: 0, callsOverHttp: 0 }))
      .toEqual(["No test executes claim()"]);
  });

  it("does not wait for the return of a function that only raises", () => {
    const raises = {
      name: "fairlane_core.refuse(integer,text,text,text)",
      isApi: false,
      calls: 0,
      callsOverHttp: 0,
    };
    expect(complaintsAbout(raises)).toEqual([]);
    expect(complaintsAbout({ ...raises, name: "queue.refuse_endless_times()" }))
      .toHaveLength(1);
  });

  it("wants functions of the API executed by requests", () => {
    const onlyInSql = { ...CALLED, callsOverHttp: 0 };
    expect(complaintsAbout(onlyInSql)[0]).toContain("No request");
    expect(complaintsAbout({ ...onlyInSql, isApi: false })).toEqual([]);
  });
});
