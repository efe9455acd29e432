import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { explainFullDisk } from "./full-disk.ts";

const dir = join(tmpdir(), "not", "made", "yet");

describe("explainFullDisk()", () => {
  it.each([
    "ENOSPC: no space left on device, write",
    'could not extend file "base/1": No space left on device',
  ])("says where, how much is left and what to do: %s", (words) => {
    const cause = new Error(words);
    const explained = explainFullDisk(cause, [dir]);
    expect(explained).toMatchObject({ cause });
    expect(String(explained)).toMatch(
      /The disk is full: \d+ MB are left for .*yet\. Make room .* start again/,
    );
  });

  it("leaves other failures alone", () => {
    const cause = new Error("connection refused");
    expect(explainFullDisk(cause, [dir])).toBe(cause);
  });
});
