import { describe, expect, test } from "vitest";
import { Background } from "./background.ts";

const never = new AbortController().signal;

describe("Background", () => {
  test("tells its parts to end and waits for them, also for late ones", async () => {
    const background = new Background(never);
    const ended: string[] = [];
    const part = async (name: string, next?: () => void) => {
      await new Promise((resolve) =>
        background.signal.addEventListener("abort", resolve)
      );
      next?.();
      ended.push(name);
    };
    const late = () => background.add(Promise.resolve(void ended.push("late")));
    background.add(part("first", late));
    background.add(part("second"));
    await background.end();
    expect(ended.toSorted()).toEqual(["first", "late", "second"]);
  });

  test("is over as soon as one part fails, and says why at the end", async () => {
    const background = new Background(never);
    background.add(Promise.reject(new Error("The database is gone")));
    await new Promise((resolve) =>
      background.signal.addEventListener("abort", resolve)
    );
    await expect(background.end()).rejects.toThrow("The database is gone");
  });

  test("is over when it is told to stop, before or after it began", () => {
    const stop = new AbortController();
    const { signal } = new Background(stop.signal);
    expect(signal.aborted).toBe(false);
    stop.abort();
    expect(signal.aborted).toBe(true);
    expect(new Background(stop.signal).signal.aborted).toBe(true);
  });
});
