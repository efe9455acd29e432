import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { findPortHolder } from "./port-holder.ts";
import { pickFreePort, requireFreePort } from "./ports.ts";

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

describe("requireFreePort()", () => {
  it("accepts a free port", async () => {
    await requireFreePort(await pickFreePort(), "API_PORT");
  });

  it("names the holder and the variable that chooses another", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port ?? 0 : 0;
    await expect(requireFreePort(port, "DB_PORT")).rejects.toThrow(
      new RegExp(`Port ${port} is taken by process ${process.pid} .*DB_PORT=`),
    );
    server.close();
  });
});
