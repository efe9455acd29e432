import { describe, expect, it } from "vitest";
import { markdownTable, textTable } from "./table.ts";

const head = ["queue", "claim"];
const rows = [["ours", "1.50x"], ["others", "12.0x"]];

describe("textTable()", () => {
  it("aligns words left and numbers right", () => {
    expect(textTable(head, rows).split("\n")).toEqual([
      "queue   claim",
      "ours    1.50x",
      "others  12.0x",
    ]);
  });
});

describe("markdownTable()", () => {
  it("marks columns of numbers", () => {
    expect(markdownTable(head, rows).split("\n")).toEqual([
      "| queue  | claim |",
      "| ------ | ----: |",
      "| ours   | 1.50x |",
      "| others | 12.0x |",
    ]);
  });
});
