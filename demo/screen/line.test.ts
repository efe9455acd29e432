import { describe, expect, test } from "vitest";
import { cell, fit, span, textOf, widthOf } from "./line.ts";

describe("cell()", () => {
  test.each([
    ["Dana", 6, "Dana  "],
    ["Dana", 4, "Dana"],
    ["Dana", 3, "Da…"],
    ["Dana", 1, "…"],
    ["Dana", 0, ""],
    ["■■■", 5, "■■■  "],
    ["𝔇𝔞𝔫𝔞", 5, "𝔇𝔞𝔫𝔞 "],
  ])("puts %j into %i columns", (text, width, expected) => {
    expect(cell(text, width)).toBe(expected);
  });
});

describe("fit()", () => {
  const line = [span("abc"), span("def", "good"), span("ghi", "bad")];

  test("leaves what fits as it is", () => {
    expect(fit(line, 9)).toBe(line);
  });

  test.each([
    [8, "abcdefg…"],
    [6, "abcde…"],
    [4, "abc…"],
    [3, "ab…"],
    [1, "…"],
    [0, ""],
  ])("cuts in %i columns, visibly, and keeps the styles", (width, text) => {
    const cut = fit(line, width);
    expect(textOf(cut)).toBe(text);
    expect(widthOf(cut)).toBe(width);
    expect(cut[1]?.style ?? "good").toBe("good");
  });
});
