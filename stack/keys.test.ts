import { describe, expect, it } from "vitest";
import { anonKey, isValidJwt, serviceRoleKey, signJwt } from "./keys.ts";

const now = Date.UTC(2026, 0, 1);
const hour = 3600;
const inSeconds = (offset: number) => Math.floor(now / 1000) + offset;

describe("anonKey and serviceRoleKey", () => {
  it("are the keys of the Supabase CLI, byte for byte", () => {
    const header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
    expect(anonKey).toBe(
      `${header}.eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6ImFub24iLCJleHAiOjE5ODM4MTI5OTZ9` +
        ".CRXP1A7WOeoJeXxjNni43kdQwgnWNReilDMblYTn_I0",
    );
    expect(serviceRoleKey).toBe(
      `${header}.eyJpc3MiOiJzdXBhYmFzZS1kZW1vIiwicm9sZSI6InNlcnZpY2Vfcm9sZSIsImV4cCI6MTk4MzgxMjk5Nn0` +
        ".EGIM96RAZx35lJzdJsyH-qQwv8Hdp7fsn3W0YpN81IU",
    );
  });
});

describe("isValidJwt()", () => {
  it("accepts our own token until it expires", () => {
    const token = signJwt({ sub: "owner", exp: inSeconds(hour) });
    expect(isValidJwt(token, now)).toBe(true);
    expect(isValidJwt(token, now + hour * 1000)).toBe(false);
  });

  it("accepts a token that never expires", () => {
    expect(isValidJwt(signJwt({ sub: "owner" }), now)).toBe(true);
  });

  it("refuses a token signed with another secret", () => {
    expect(isValidJwt(signJwt({ sub: "owner" }, "another"), now)).toBe(false);
  });

  it("refuses a token whose claims were changed", () => {
    const [header, , signature] = signJwt({ role: "anon" }).split(".");
    const [, payload] = signJwt({ role: "service_role" }).split(".");
    expect(isValidJwt(`${header}.${payload}.${signature}`, now)).toBe(false);
  });

  it.each(["", "a", "a.b", "a.b.c", "a.b.c.d", "sb_secret_x"])(
    "refuses %j, which is no token",
    (text) => expect(isValidJwt(text, now)).toBe(false),
  );
});
