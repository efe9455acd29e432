import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { checkoutDir } from "../stack/paths.ts";
import { prepareStateDirs } from "../stack/state-dir.ts";
import { AlreadyRunning, claimStateDir } from "../stack/state-file.ts";
import { startFreshStack } from "./fresh-stack.ts";

const stateDir = join(checkoutDir, ".stack", "test-fresh-stack");

afterEach(() => rmSync(stateDir, { recursive: true, force: true }));

describe("startFreshStack()", () => {
  it("leaves alone what another run is using", async () => {
    const kept = join(prepareStateDirs(stateDir).postgres, "kept");
    mkdirSync(dirname(kept), { recursive: true });
    writeFileSync(kept, "");
    const claim = claimStateDir(stateDir);
    try {
      await expect(startFreshStack(stateDir)).rejects.toThrow(AlreadyRunning);
      expect(existsSync(kept)).toBe(true);
    } finally {
      claim.release();
      rmSync(kept);
    }
  });
});
