import { expect, test } from "vitest";
import { signJwt } from "../keys.ts";
import { readUploadToken, signUpload } from "./signed-upload.ts";

const URL_PATH = "image_uploads/u/a.mp4";

test.each([true, false])("readUploadToken() knows upsert = %j", (upsert) => {
  expect(readUploadToken(signUpload(URL_PATH, upsert), URL_PATH))
    .toEqual({ upsert });
});

test("readUploadToken() refuses tokens for elsewhere, from before, of others", () => {
  const threeHoursAgo = Date.now() - 3 * 60 * 60 * 1000;
  for (
    const token of [
      "",
      "a.b.c",
      signUpload("image_uploads/u/b.mp4", true),
      signUpload(URL_PATH, true, threeHoursAgo),
      signJwt({ url: URL_PATH, upsert: true }, "another secret"),
      // A key is a valid JWT of ours, but it names no path.
      signJwt({ role: "service_role" }),
    ]
  ) {
    expect(() => readUploadToken(token, URL_PATH)).toThrow();
  }
});
