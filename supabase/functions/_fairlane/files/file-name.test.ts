import fc from "fast-check";
import { expect, test } from "vitest";
import { safeFile } from "./file-name.ts";

test.each([
  ["out.mp4", "out.mp4", "video/mp4"],
  ["thumb_0f8fad5b.jpg", "thumb_0f8fad5b.jpg", "image/jpeg"],
  ["a..b.PNG", /^a\.\.b-[\da-f]{8}\.png$/, "image/png"],
  ["folder/out.mp4", /^out-[\da-f]{8}\.mp4$/, "video/mp4"],
  ["..mp4", /^file-[\da-f]{8}\.mp4$/, "video/mp4"],
  ["naïve 😀.webm", /^na_ve_-[\da-f]{8}\.webm$/, "video/webm"],
])("safeFile() makes of %j a safe name", (given, name, contentType) => {
  const file = safeFile("filename", given);
  expect(file.name).toEqual(
    typeof name === "string" ? name : expect.stringMatching(name),
  );
  expect(file.contentType).toBe(contentType);
});

test("safeFile() takes the extension from the type when there is none", () => {
  expect(safeFile("filename", "out", "video/mp4").name)
    .toMatch(/^out-[\da-f]{8}\.mp4$/);
});

test("safeFile() keeps different names different", () => {
  const names = [
    "é.mp4",
    "è.mp4",
    "_.mp4",
    "a/é.mp4",
    "é.MP4",
    `${"x".repeat(300)}.mp4`,
    `${"x".repeat(301)}.mp4`,
  ];
  const safe = names.map((name) => safeFile("filename", name).name);
  expect(new Set(safe).size).toBe(names.length);
});

test("safeFile() takes both spellings of the same characters for one name", () => {
  expect(safeFile("filename", "e\u0301.mp4"))
    .toEqual(safeFile("filename", "\u00e9.mp4"));
});

test("safeFile() never leaves the folder, whatever it is given", () => {
  const anyName = fc.tuple(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.constantFrom(".mp4", ".JPG", "/../.png", "\\.webp", "\0.gif"),
  );
  fc.assert(fc.property(anyName, ([stem, end]) => {
    expect(safeFile("filename", stem + end).name)
      .toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,115}\.(mp4|jpg|png|webp|gif)$/);
  }));
}, 300_000);
