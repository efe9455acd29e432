import { beforeEach, describe, expect, test } from "vitest";
import { createSharedAnswers, type SharedAnswers } from "./shared-answers.ts";

let time: number;
let asked: number;
let answers: SharedAnswers;
beforeEach(() => {
  time = 0;
  asked = 0;
  answers = createSharedAnswers(1_000, () => time);
});
/** An answer that comes when the test says so. */
function later() {
  let resolve: (answer: string) => void = () => {};
  let reject: (reason: Error) => void = () => {};
  const promise = new Promise<string>((give, refuse) => {
    [resolve, reject] = [give, refuse];
  });
  return { promise, resolve, reject };
}

const ask = () => Promise.resolve(`answer ${++asked}`);

describe("createSharedAnswers()", () => {
  test("tells one answer to all who ask the same within the moment", async () => {
    expect(await answers.get("a", ask)).toBe("answer 1");
    time = 999;
    expect(await answers.get("a", ask)).toBe("answer 1");
    time = 1_000;
    expect(await answers.get("a", ask)).toBe("answer 2");
  });

  test("counts the moment from the question, not from the answer", async () => {
    const { promise, resolve } = later();
    const early = answers.get("a", () => promise);
    time = 999;
    const joined = answers.get("a", ask);
    time = 1_000;
    const second = answers.get("a", ask);
    resolve("slow");
    expect(await Promise.all([early, joined, second]))
      .toEqual(["slow", "slow", "answer 1"]);
  });

  test("tells nobody the answer to another question", async () => {
    await answers.get("a", ask);
    expect(await answers.get("b", ask)).toBe("answer 2");
  });

  test("forgets, also what is still being answered", async () => {
    const { promise, resolve } = later();
    const before = answers.get("a", () => promise);
    answers.forget();
    expect(await answers.get("a", ask)).toBe("answer 1");
    resolve("old");
    expect(await before).toBe("old");
    expect(await answers.get("a", ask)).toBe("answer 1");
  });

  test("tells a failure to those who wait for it, and to nobody after", async () => {
    const { promise, reject } = later();
    const waiting = [1, 2].map(() => answers.get("a", () => promise));
    reject(new Error("no database"));
    for (const one of waiting) await expect(one).rejects.toThrow("no database");
    expect(await answers.get("a", ask)).toBe("answer 1");
  });

  test("keeps nothing where there is no moment", async () => {
    const none = createSharedAnswers(0, () => time);
    await none.get("a", ask);
    expect(await none.get("a", ask)).toBe("answer 2");
  });

  test("holds no more than it can use, whatever is asked", async () => {
    await answers.get("first", ask);
    for (let n = 0; n < 100; n++) await answers.get(`key ${n}`, ask);
    expect(await answers.get("first", ask)).toBe("answer 102");
  });
});
