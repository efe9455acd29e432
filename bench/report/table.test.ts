import { expect, it } from "vitest";
import { markdownTable } from "./table.ts";

it("markdownTable() marks columns of numbers", () => {
  const rows = [["ours", "1.50x"], ["others", "12.0x"]];
  expect(markdownTable(["queue", "claim"], rows).split("\n")).toEqual([
    "| queue | claim |",
    "| --- | --: |",
    "| ours | 1.50x |",
    "| others | 12.0x |",
  ]);
});
