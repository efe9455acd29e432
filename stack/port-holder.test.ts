import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { findPortHolder } from "./port-holder.ts";
import { pickFreePort } from "./ports.ts";

describe("findPortHolder()", () => {
  it("names the process that listens", async () => {
    const script = `require("node:net").createServer()
      .listen(0, "127.0.0.1", function () { console.log(this.address().port) })`;
    const child = spawn(process.execPath, ["-e", script, "marker-of-holder"]);
    const [chunk] = await once(child.stdout, "data");
    const holder = findPortHolder(Number(chunk));
    child.kill();
    expect(holder?.pid).toBe(child.pid);
    expect(holder?.command).toContain("marker-of-holder");
  });

  it("finds nobody on a free port", async () => {
    expect(findPortHolder(await pickFreePort())).toBeUndefined();
  });
});
