import { Buffer } from "node:buffer";
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

function jwt(payload: unknown): string {
  const part = (value: unknown) =>
    Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "HS256", typ: "JWT" })}.${part(payload)}.c2lnbmF0dXJl`;
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
      sharedMs: 1_000,
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

  const ANON = jwt({ role: "anon" });
  const SERVICE = jwt({ role: "service_role" });

  test.each<[string, Record<string, string>]>([
    ["an anon JWT", { SUPABASE_SERVICE_ROLE_KEY: ANON }],
    ["a user's JWT", {
      SUPABASE_SERVICE_ROLE_KEY: jwt({ role: "authenticated", sub: "canary" }),
    }],
    ["a JWT without a role", { SUPABASE_SERVICE_ROLE_KEY: jwt({}) }],
    ["a publishable key", {
      SUPABASE_SERVICE_ROLE_KEY: "sb_publishable_canary",
    }],
    ["a publishable key among the secret ones", {
      SUPABASE_SECRET_KEYS:
        '{"default":"sb_secret_1","web":"sb_publishable_canary"}',
    }],
    ["an anon JWT among the secret ones", {
      SUPABASE_SECRET_KEYS: JSON.stringify({ default: ANON }),
    }],
    ["the anon key's place swapped with its own", {
      SUPABASE_ANON_KEY: SERVICE,
      SUPABASE_SERVICE_ROLE_KEY: ANON,
    }],
    ["the header instead of the key", {
      SUPABASE_SERVICE_ROLE_KEY: `Bearer ${SERVICE}`,
    }],
    ["a header in small letters", {
      SUPABASE_SECRET_KEYS: '{"default":"bearer sb_secret_canary"}',
    }],
  ])("does not come up with %s for a service key", (_what, change) => {
    expect(() => read(change)).toThrow(/SUPABASE_SERVICE_ROLE_KEY|swapped/);
    for (const secret of ["canary", ...ANON.split("."), SERVICE]) {
      expect(() => read(change)).not.toThrow(secret);
    }
  });

  test.each<[string, Record<string, string>]>([
    ["a service JWT", { SUPABASE_ANON_KEY: SERVICE }],
    ["a secret key", { SUPABASE_PUBLISHABLE_KEYS: '{"a":"sb_secret_canary"}' }],
  ])("does not come up with %s for a public one", (_what, change) => {
    expect(() => read(change)).toThrow(/anon or publishable key/);
    expect(() => read(change)).not.toThrow(/canary|eyJ/);
  });

  test.each([SERVICE, "sb_secret_9", "a.b.c", "Bearerlike", "plain"])(
    "comes up with the service key %s",
    (SUPABASE_SERVICE_ROLE_KEY) =>
      expect(read({ SUPABASE_SERVICE_ROLE_KEY, SUPABASE_ANON_KEY: ANON }))
        .toMatchObject({
          serviceKeys: [
            "sb_secret_1",
            "sb_secret_2",
            SUPABASE_SERVICE_ROLE_KEY,
          ],
          publicKeys: ["sb_publishable_1", ANON],
        }),
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
