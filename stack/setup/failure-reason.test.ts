import { describe, expect, it } from "vitest";
import { failureReason } from "./failure-reason.mjs";

describe("failureReason()", () => {
  it.each([
    "npm error request to https://registry.test/zod failed, reason: connect ECONNREFUSED",
    "Err:1 http://deb.test bookworm Could not resolve 'deb.test'",
    "error: error sending request for url (https://registry.test/zod)",
  ])("names the network, and who did not answer: %s", (output) => {
    expect(failureReason(output)).toMatch(
      /^There is no way to https?:\/\/(registry|deb)\.test\. Look at the network/,
    );
  });

  it("names the disk first, which breaks downloads, too", () => {
    const output = "ENOSPC: no space left on device, ETIMEDOUT";
    expect(failureReason(output)).toMatch(/^The disk is full/);
  });

  it("names rights that are missing", () => {
    expect(failureReason("EACCES: permission denied, mkdir"))
      .toMatch(/^This user may not write/);
  });

  it("leaves to the program what it does not know", () => {
    expect(failureReason("E404 Not Found")).toBeUndefined();
  });
});
