import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { KEYS, signUserToken, USER_ID } from "../_test/fakes.ts";
import { ApiError } from "../frame/api-error.ts";
import { createIdentify, type Identify } from "./caller.ts";
import { hex, sha256 } from "./constant-time.ts";
import { readCredentials } from "./credentials.ts";
import { createVerifyUserToken } from "./user-jwt.ts";

const ROTATED = "sb_secret_rotated_in_0123456789";
const HOUR_FROM_NOW = Math.floor(Date.now() / 1000) + 3600;
const USER_CLAIMS = { sub: USER_ID, role: "authenticated" };

let identify: Identify;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  const ec = await generateKeyPair("ES256");
  const rsa = await generateKeyPair("RS256");
  const stranger = await generateKeyPair("ES256");
  const nameless = [
    await generateKeyPair("ES256"),
    await generateKeyPair("ES256"),
  ] as const;
  const namesakes = [
    await generateKeyPair("RS256"),
    await generateKeyPair("RS256"),
  ] as const;
  const shared = "an-oct-key-of-the-jwks-0123456789abcdef";
  const rsaJwk = { ...await exportJWK(rsa.publicKey), kid: "r", alg: "RS256" };
  identify = createIdentify({
    serviceKeys: [KEYS.secret, ROTATED, KEYS.legacyService, ""],
    publicKeys: [KEYS.publishable, KEYS.anon],
    verifyUserToken: createVerifyUserToken({
      jwks: {
        keys: [
          { ...await exportJWK(ec.publicKey), kid: "e", alg: "ES256" },
          rsaJwk,
          { kty: "EC", crv: "P-256", x: "damaged", y: "damaged" },
          { kty: "oct", k: "*no base64*" },
          { ...await exportJWK(nameless[0].publicKey), alg: "ES256" },
          await exportJWK(nameless[1].publicKey),
          { ...await exportJWK(namesakes[0].publicKey), kid: "twice" },
          { ...await exportJWK(namesakes[1].publicKey), kid: "twice" },
          { kty: "oct", k: btoa(shared).replaceAll("=", ""), alg: "HS256" },
          { kty: "oct", k: "" },
        ],
      },
      jwtSecret: KEYS.jwtSecret,
      now: () => new Date(),
    }),
  });

  const bytes = (text: string) => new TextEncoder().encode(text);
  const user = (claims = {}) => new SignJWT({ ...USER_CLAIMS, ...claims });
  const valid = () => user().setExpirationTime(HOUR_FROM_NOW);
  tokens["ES256"] = await valid()
    .setProtectedHeader({ alg: "ES256", kid: "e" }).sign(ec.privateKey);
  tokens["RS256"] = await valid()
    .setProtectedHeader({ alg: "RS256", kid: "r" }).sign(rsa.privateKey);
  tokens["HS256 of the JWKS"] = await valid()
    .setProtectedHeader({ alg: "HS256" }).sign(bytes(shared));
  tokens["HS256 of the secret"] = await signUserToken();
  tokens["no audience"] = await signUserToken({ aud: undefined });
  tokens["audience in a list"] = await signUserToken({
    aud: ["authenticated"],
  });

  for (const [index, { privateKey }] of nameless.entries()) {
    tokens[`key ${index} of two without kid`] = await valid()
      .setProtectedHeader({ alg: "ES256" }).sign(privateKey);
  }
  for (const [index, { privateKey }] of namesakes.entries()) {
    tokens[`key ${index} of two with one kid`] = await valid()
      .setProtectedHeader({ alg: "RS256", kid: "twice" }).sign(privateKey);
  }

  tokens["expired"] = await signUserToken({ exp: 1 });
  tokens["no expiry"] = await signUserToken({ exp: undefined });
  tokens["other audience"] = await signUserToken({ aud: "other" });
  tokens["no subject"] = await signUserToken({ sub: undefined });
  tokens["subject no uuid"] = await signUserToken({ sub: "service" });
  tokens["wrong key, known kid"] = await valid()
    .setProtectedHeader({ alg: "ES256", kid: "e" }).sign(stranger.privateKey);
  tokens["unknown kid"] = await valid()
    .setProtectedHeader({ alg: "ES256", kid: "x" }).sign(stranger.privateKey);
  tokens["empty HMAC key"] = await valid().setProtectedHeader({ alg: "HS256" })
    .sign(bytes("\0".repeat(32)));
  tokens["alg none"] = new UnsecuredJWT(USER_CLAIMS)
    .setExpirationTime(HOUR_FROM_NOW).encode();
  tokens["public key as HMAC secret"] = await valid()
    .setProtectedHeader({ alg: "HS256", kid: "r" })
    .sign(bytes(JSON.stringify(rsaJwk)));
  tokens["HS512"] = await valid().setProtectedHeader({ alg: "HS512" })
    .sign(bytes(KEYS.jwtSecret));
  const [head, , signature] = tokens["HS256 of the secret"].split(".");
  const forged = btoa(
    JSON.stringify({ ...USER_CLAIMS, role: "service_role", exp: 9e9 }),
  );
  tokens["forged role"] = `${head}.${forged.replaceAll("=", "")}.${signature}`;
  tokens["three junk parts"] = "a.b.c";

  tokens["role anon"] = await signUserToken({ role: "anon" });
  tokens["role service_role"] = await signUserToken({ role: "service_role" });
  tokens["no role"] = await signUserToken({ role: undefined });
});

async function who(headers: Record<string, string>): Promise<unknown> {
  try {
    return await identify(readCredentials(new Headers(headers)));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return `${error.status} ${error.code}`;
  }
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const pat = { kind: "token", hash: hex(sha256(KEYS.token)) };
const { secret, legacyService, publishable, anon, token } = KEYS;

describe("createIdentify()", () => {
  test.each([
    ["secret key as Bearer", bearer(secret), { kind: "service" }],
    ["secret key as apikey", { apikey: secret }, { kind: "service" }],
    ["legacy key as Bearer", bearer(legacyService), { kind: "service" }],
    ["legacy key as apikey", { apikey: legacyService }, { kind: "service" }],
    ["second key of a rotation", bearer(ROTATED), { kind: "service" }],
    [
      "legacy key in both",
      { ...bearer(legacyService), apikey: legacyService },
      {
        kind: "service",
      },
    ],
    ["secret apikey, public Bearer", { ...bearer(anon), apikey: secret }, {
      kind: "service",
    }],
    ["secret apikey, malformed header", {
      authorization: "Basic x",
      apikey: secret,
    }, { kind: "service" }],
    ["secret Bearer, public apikey", {
      ...bearer(secret),
      apikey: publishable,
    }, { kind: "service" }],
    ["token as Bearer", bearer(token), pat],
    ["token as apikey", { apikey: token }, pat],
    ["token Bearer, public apikey", { ...bearer(token), apikey: anon }, pat],
    ["junk", bearer("junk"), { kind: "token", hash: hex(sha256("junk")) }],
    ["nearly the secret key", bearer(`${secret}x`), {
      kind: "token",
      hash: hex(sha256(`${secret}x`)),
    }],
    ["anon key", bearer(anon), "403 FORBIDDEN"],
    ["publishable key", { apikey: publishable }, "403 FORBIDDEN"],
    ["nothing", {}, "401 MISSING_CREDENTIALS"],
    [
      "empty headers",
      { authorization: "", apikey: "" },
      "401 MISSING_CREDENTIALS",
    ],
    ["Bearer of nothing", bearer(""), "401 MISSING_CREDENTIALS"],
    [
      "another scheme",
      { authorization: "Basic abc" },
      "401 INVALID_CREDENTIALS",
    ],
    [
      "another scheme and a token",
      { authorization: "Basic x", apikey: token },
      "401 INVALID_CREDENTIALS",
    ],
    ["no scheme", { authorization: secret }, "401 INVALID_CREDENTIALS"],
  ])("answers to %s", async (_what, headers, expected) => {
    expect(await who(headers as Record<string, string>)).toEqual(expected);
  });

  test.each([
    "ES256",
    "RS256",
    "HS256 of the JWKS",
    "HS256 of the secret",
    "no audience",
    "audience in a list",
    "key 0 of two without kid",
    "key 1 of two without kid",
    "key 0 of two with one kid",
    "key 1 of two with one kid",
  ])("accepts a user's JWT: %s", async (name) => {
    expect(await who(bearer(tokens[name] ?? "")))
      .toEqual({ kind: "user", user_id: USER_ID });
  });

  test.each([
    "expired",
    "no expiry",
    "other audience",
    "no subject",
    "subject no uuid",
    "wrong key, known kid",
    "unknown kid",
    "empty HMAC key",
    "alg none",
    "public key as HMAC secret",
    "HS512",
    "forged role",
    "three junk parts",
  ])("refuses a JWT with 401: %s", async (name) => {
    expect(await who(bearer(tokens[name] ?? "")))
      .toBe("401 INVALID_CREDENTIALS");
  });

  test.each(["role anon", "role service_role", "no role"])(
    "refuses a genuine JWT of another kind with 403: %s",
    async (name) => {
      expect(await who(bearer(tokens[name] ?? ""))).toBe("403 FORBIDDEN");
    },
  );

  test("a project without keys lets no one in as the service", async () => {
    const bare = createIdentify({
      serviceKeys: ["", " "],
      publicKeys: [],
      verifyUserToken: createVerifyUserToken({
        jwks: { keys: [] },
        jwtSecret: undefined,
        now: () => new Date(),
      }),
    });
    const credentials = (headers: Record<string, string>) =>
      readCredentials(new Headers(headers));
    await expect(bare(credentials({ apikey: " " }))).rejects
      .toThrow(ApiError);
    await expect(bare(credentials(bearer(await signUserToken())))).rejects
      .toThrow(ApiError);
    expect((await bare(credentials(bearer("undefined")))).kind).toBe("token");
  });
});
