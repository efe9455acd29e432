import { beforeAll, describe, expect, test } from "vitest";
import { createWorld, KEYS, signUserToken, USER_ID } from "../_test/fakes.ts";
import { ApiError } from "../frame/api-error.ts";
import { hex, sha256 } from "./constant-time.ts";
import { readCredentials } from "./credentials.ts";

const { identify } = createWorld("null").deps;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  tokens["valid"] = await signUserToken();
  tokens["expired"] = await signUserToken({ exp: 1 });
  tokens["role anon"] = await signUserToken({ role: "anon" });
});

const pat = { kind: "token", hash: hex(sha256(KEYS.token)) };
const asUser = { kind: "user", user_id: USER_ID };
const asService = { kind: "service" };

/** Each credential that a header can hold, and who it makes its sender alone. */
const HELD: Record<string, () => string | undefined> = {
  nothing: () => undefined,
  service: () => KEYS.secret,
  public: () => KEYS.publishable,
  token: () => KEYS.token,
  user: () => tokens["valid"],
  expired: () => tokens["expired"],
  "role anon": () => tokens["role anon"],
};
const none = "401 MISSING_CREDENTIALS";
const nobody = "403 FORBIDDEN";
const invalid = "401 INVALID_CREDENTIALS";

/** Rows: what Authorization holds; columns: what apikey holds. */
const WHO: Record<string, Record<string, unknown>> = {
  nothing: {
    nothing: none,
    service: asService,
    public: nobody,
    token: pat,
    user: asUser,
    expired: invalid,
    "role anon": nobody,
  },
  service: Object.fromEntries(
    Object.keys(HELD).map((name) => [name, asService]),
  ),
  token: Object.fromEntries(Object.keys(HELD).map((name) => [name, pat])),
  user: Object.fromEntries(Object.keys(HELD).map((name) => [name, asUser])),
  expired: Object.fromEntries(
    Object.keys(HELD).map((name) => [name, invalid]),
  ),
  // These name the project; the other header says who.
  public: {
    nothing: nobody,
    service: asService,
    public: nobody,
    token: pat,
    user: asUser,
    expired: invalid,
    "role anon": nobody,
  },
};
WHO["role anon"] = WHO["public"] ?? {};

describe("createIdentify() of two headers", () => {
  test.each(
    Object.entries(WHO).flatMap(([authorization, row]) =>
      Object.entries(row).map(([apikey, expected]) =>
        [authorization, apikey, expected] as const
      )
    ),
  )(
    "takes Authorization: %s beside apikey: %s for the one it names",
    async (authorization, apikey, expected) => {
      const bearerToken = HELD[authorization]?.();
      const key = HELD[apikey]?.();
      const headers = {
        ...(bearerToken === undefined
          ? {}
          : { authorization: `Bearer ${bearerToken}` }),
        ...(key === undefined ? {} : { apikey: key }),
      };
      expect(await who(headers)).toEqual(expected);
    },
  );
});

async function who(headers: Record<string, string>): Promise<unknown> {
  try {
    return await identify(readCredentials(new Headers(headers)));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return `${error.status} ${error.code}`;
  }
}
