import { describe, expect, it } from "vitest";
import { below, parseTarget } from "./request-target.ts";

describe("parseTarget()", () => {
  it.each([
    ["//rest/v1/tasks", "/rest/v1/tasks"],
    ["//functions/v1//claim-next-task", "/functions/v1/claim-next-task"],
    ["/rest///v1/tasks/", "/rest/v1/tasks/"],
    ["/", "/"],
  ])("collapses the slashes of %s", (url, path) => {
    expect(parseTarget(url).path).toBe(path);
  });

  it("leaves the query alone, slashes and all", () => {
    const query = "?select=*&url=eq.http://x//y&name=eq.a%20b";
    expect(parseTarget(`/rest/v1/tasks${query}`)).toEqual({
      path: "/rest/v1/tasks",
      query,
      apikey: null,
    });
  });

  it("takes the key out of the query", () => {
    expect(parseTarget("/rest/v1/tasks?apikey=a%2Bb&select=id")).toEqual({
      path: "/rest/v1/tasks",
      query: "?select=id",
      apikey: "a+b",
    });
    expect(parseTarget("/rest/v1/?apikey=k").query).toBe("");
  });
});

describe("below()", () => {
  it("returns what follows the prefix", () => {
    expect(below("/rest/v1/rpc/f", "/rest/v1")).toBe("/rpc/f");
    expect(below("/rest/v1", "/rest/v1")).toBe("/");
  });

  it("does not take a longer name for the prefix", () => {
    expect(below("/rest/v10/tasks", "/rest/v1")).toBeUndefined();
  });
});
