import { describe, expect, test } from "vitest";
import { readEnv } from "./env.ts";

const HOSTED = {
  SUPABASE_URL: "https://project.test/",
  SUPABASE_ANON_KEY: "anon",
  SUPABASE_SERVICE_ROLE_KEY: "legacy",
  SUPABASE_PUBLISHABLE_KEYS: '{"default":"sb_publishable_1"}',
  SUPABASE_SECRET_KEYS: '{"other":"sb_secret_2","default":"sb_secret_1"}',
  SUPABASE_JWKS: '{"keys":[{"kty":"oct","k":"x"}]}',
};

function read(change: Record<string, string | undefined> = {}) {
  const variables: Record<string, string | undefined> = {
    ...HOSTED,
    ...change,
  };
  return readEnv((name) => variables[name]);
}

describe("readEnv()", () => {
  test("reads the hosted environment", () => {
    expect(read()).toEqual({
      supabaseUrl: "https://project.test",
      publicUrl: "https://project.test",
      databaseKey: "sb_secret_1",
      serviceKeys: ["sb_secret_1", "sb_secret_2", "legacy"],
      publicKeys: ["sb_publishable_1", "anon"],
      jwks: { keys: [{ kty: "oct", k: "x" }] },
      jwtSecret: undefined,
    });
  });

  test("takes another URL for what others are to open", () => {
    expect(read({ PUBLIC_URL: "https://files.example/" })).toMatchObject({
      supabaseUrl: "https://project.test",
      publicUrl: "https://files.example",
    });
  });

  test("works with legacy keys alone", () => {
    const env = read({
      SUPABASE_SECRET_KEYS: "",
      SUPABASE_PUBLISHABLE_KEYS: undefined,
      SUPABASE_JWKS: " ",
    });
    expect(env).toMatchObject({ databaseKey: "legacy", jwks: { keys: [] } });
  });

  test("takes no blank value for a key", () => {
    const env = read({
      SUPABASE_SECRET_KEYS: '{"default":"","b":" ","c":"sb_secret_3"}',
      SUPABASE_SERVICE_ROLE_KEY: " ",
    });
    expect(env.serviceKeys).toEqual(["sb_secret_3"]);
  });

  test.each(["[]", "nonsense", '{"keys":7}', '{"keys":[{}]}'])(
    "keeps workers going when the JWKS is %s",
    (SUPABASE_JWKS) => expect(read({ SUPABASE_JWKS }).jwks.keys).toEqual([]),
  );

  test.each([
    [{ SUPABASE_ANON_KEY: "sb_secret_canary" }],
    [{ SUPABASE_ANON_KEY: " canary ", SUPABASE_SERVICE_ROLE_KEY: "canary" }],
    [{ SUPABASE_PUBLISHABLE_KEYS: '{"web":" sb_secret_canary"}' }],
    [{ JWT_SECRET: "anon-canary", SUPABASE_ANON_KEY: "anon-canary" }],
  ])(
    "does not come up when a public key opens what a secret one does: %j",
    (change) => {
      const variables = {
        SUPABASE_SECRET_KEYS: '{"default":"sb_secret_canary"}',
        ...change,
      };
      expect(() => read(variables)).toThrow(/anon or publishable key/);
      expect(() => read(variables)).not.toThrow("canary");
    },
  );

  test.each([
    [{ SUPABASE_URL: undefined }, "SUPABASE_URL"],
    [{ SUPABASE_URL: "canary" }, "SUPABASE_URL"],
    [{ SUPABASE_URL: "file:///canary" }, "SUPABASE_URL"],
    [{ PUBLIC_URL: "canary" }, "PUBLIC_URL"],
    [{ SUPABASE_SECRET_KEYS: "canary" }, "SUPABASE_SECRET_KEYS"],
    [{ SUPABASE_SECRET_KEYS: '{"a":7}' }, "SUPABASE_SECRET_KEYS"],
    [
      { SUPABASE_SECRET_KEYS: "{}", SUPABASE_SERVICE_ROLE_KEY: "" },
      "SUPABASE_SERVICE_ROLE_KEY",
    ],
  ])("refuses %j, by name and not by value", (change, name) => {
    expect(() => read(change)).toThrow(name);
    expect(() => read(change)).not.toThrow("canary");
  });
});
