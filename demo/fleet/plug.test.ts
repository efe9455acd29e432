import { describe, expect, test } from "vitest";
import { webRuntime } from "../../shared/client/runtime.ts";
import { Plug } from "./plug.ts";

/** Whether the promise is settled once everything else has been. */
async function isOver(promise: Promise<unknown>): Promise<boolean> {
  const turn = new Promise((resolve) => setImmediate(resolve, "not yet"));
  const first = await Promise.race([promise.catch(() => {}), turn]);
  return first !== "not yet";
}

describe("Plug", () => {
  test("lets everything through while it is in", async () => {
    const plug = new Plug({
      ...webRuntime,
      fetch: () => Promise.resolve(new Response("here")),
    });
    const reply = await plug.runtime.fetch("http://queue", {});
    expect(await reply.text()).toBe("here");
    expect(await isOver(plug.runtime.wait(0, AbortSignal.abort()))).toBe(true);
  });

  test("keeps what is under way from ever arriving", async () => {
    let answer = (_response: Response) => {};
    const plug = new Plug({
      ...webRuntime,
      fetch: () => new Promise((resolve) => answer = resolve),
    });
    const asked = plug.runtime.fetch("http://queue", {});
    plug.pull();
    answer(new Response("too late"));
    expect(await isOver(asked)).toBe(false);
  });

  test("hides failures, too: nobody is there to hear of them", async () => {
    const plug = new Plug({
      ...webRuntime,
      fetch: () => Promise.reject(new TypeError("fetch failed")),
    });
    const asked = plug.runtime.fetch("http://queue", {});
    plug.pull();
    expect(await isOver(asked)).toBe(false);
  });

  test("sends nothing once it is pulled", async () => {
    let sent = 0;
    const plug = new Plug({
      ...webRuntime,
      fetch: () => Promise.resolve(new Response(String(++sent))),
    });
    plug.pull();
    expect(await isOver(plug.runtime.fetch("http://queue", {}))).toBe(false);
    expect(sent).toBe(0);
  });
});
