import { expect, test } from "vitest";
import { ApiError } from "../_shared/api-error.ts";
import { publicUrl } from "./public-url.ts";

const BASE = "https://project.test/storage/v1/object/public/image_uploads/";

test.each([
  "u/f.mp4",
  "u/tasks/t/50% off.png",
  "u/é/😀.webm",
  "u/a..b",
  "u/.x",
])(
  "publicUrl() accepts %j",
  (path) => {
    expect(publicUrl("https://project.test", path)).toBe(BASE + path);
  },
);

test.each([
  "",
  "/u/f",
  "u//f",
  "u/",
  ".",
  "u/../f",
  "u/..",
  "u/./f",
  "u\\f",
  "u/\0",
  "u/\n",
  "u/%2e%2e/f",
  "u/%2E./f",
  "u/%252e%252e/f",
  "u/%25252525252e%25252525252e/f",
  "u%2f..%2ff",
  "u/%5c../f",
  "u/%00",
  "u/\uFF0E\uFF0E/f",
  "u/\u2024\u2024/f",
  "u/..\uFF0Ff",
  "u/\ud800",
  "x".repeat(5_000),
])("publicUrl() refuses %j", (path) => {
  expect(() => publicUrl("https://project.test", path)).toThrow(ApiError);
});
