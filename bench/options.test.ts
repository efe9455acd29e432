import { describe, expect, test } from "vitest";
import { readOptions } from "./options.ts";

describe("readOptions()", () => {
  test("writes after the full run, and a quick one only when told to", () => {
    expect(readOptions([]).write).toBe(true);
    expect(readOptions(["--quick"]).write).toBe(false);
    expect(readOptions(["--quick", "--write"]).write).toBe(true);
  });

  test("never writes a part of the bench", () => {
    expect(readOptions(["--write", "claims"]).write).toBe(false);
    expect(readOptions(["--write", "--shape", "1M/10k/even"]).write).toBe(
      false,
    );
  });

  test("takes several shapes", () => {
    const args = ["--shape", "1k/10/even", "--shape", "1M/10k/skew90"];
    expect(readOptions(args).shapes).toEqual(["1k/10/even", "1M/10k/skew90"]);
  });
});
