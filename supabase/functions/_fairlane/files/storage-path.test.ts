import { expect, test } from "vitest";
import { ApiError } from "../frame/api-error.ts";
import { assertPlainPath } from "./storage-path.ts";

test.each([
  "u/f.mp4",
  "u/tasks/t/50% off.png",
  "u/é/😀.webm",
  "u/a..b",
  "u/.x",
])(
  "assertPlainPath() accepts %j",
  (path) => {
    expect(() => assertPlainPath(path)).not.toThrow();
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
])("assertPlainPath() refuses %j", (path) => {
  expect(() => assertPlainPath(path)).toThrow(ApiError);
});
