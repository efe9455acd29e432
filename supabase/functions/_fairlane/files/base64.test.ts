import { Buffer } from "node:buffer";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBase64 } from "./base64.ts";

test("decodeBase64() gives back the bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
    const text = Buffer.from(bytes).toString("base64");
    expect(decodeBase64(text)).toEqual(new Uint8Array(bytes));
  }));
});

test.each([
  ["aGk=", "hi"],
  ["aG\nk=\r\n", "hi"],
  ["data:image/png;base64,aGk=", "hi"],
  [" data:video/mp4;codecs=avc1;base64,aGk=", "hi"],
])("decodeBase64() reads %j", (text, expected) => {
  expect(Buffer.from(decodeBase64(text) ?? []).toString()).toBe(expected);
});

test.each([
  "",
  "=",
  "====",
  "aGk",
  "aGk=aGk=",
  "aG-_",
  "aG k!",
  "aGk\u0000",
  "data:image/png,aGk=",
  "data:text/plain;base64,",
])("decodeBase64() refuses %j", (text) => {
  expect(decodeBase64(text)).toBeNull();
});

test("decodeBase64() reads and refuses megabytes", () => {
  const text = "QUFB".repeat(2 << 20);
  expect(decodeBase64(text)?.length).toBe(3 * (2 << 20));
  expect(decodeBase64(`${text}!AAA`)).toBeNull();
});
