import { describe, expect, it } from "vitest";
import { authorizeRest, refuseWithoutJwt } from "./gateway-keys.ts";
import {
  anonKey,
  publishableKey,
  secretKey,
  serviceRoleKey,
  signJwt,
} from "./keys.ts";

const userToken = signJwt({ sub: "owner", role: "authenticated" });

const foreign = signJwt({ role: "anon" }, "another project's secret");

describe("authorizeRest()", () => {
  it.each([
    ["the role of the secret key", { apikey: secretKey }, serviceRoleKey],
    ["that of the publishable key", { apikey: publishableKey }, anonKey],
    ["a legacy key as it is", { apikey: serviceRoleKey }, serviceRoleKey],
    [
      "a user's token before the key",
      { apikey: publishableKey, authorization: `Bearer ${userToken}` },
      userToken,
    ],
    [
      "the role of an opaque key that was also sent as Bearer",
      { apikey: secretKey, authorization: `Bearer ${secretKey}` },
      serviceRoleKey,
    ],
    [
      "an empty Authorization header for none",
      { apikey: secretKey, authorization: "" },
      serviceRoleKey,
    ],
    [
      "a foreign legacy key as it is, for PostgREST to refuse",
      { apikey: foreign },
      foreign,
    ],
  ])("takes %s", (_what, headers, jwt) => {
    expect(authorizeRest(headers, null))
      .toEqual({ authorization: `Bearer ${jwt}` });
  });

  it("takes the key from the query when there is no header", () => {
    expect(authorizeRest({}, secretKey))
      .toEqual({ authorization: `Bearer ${serviceRoleKey}` });
  });

  it.each([
    ["there is no apikey", {}, "No API key found in request"],
    [
      "a Bearer comes without one",
      { authorization: `Bearer ${userToken}` },
      "No API key found in request",
    ],
    [
      "an opaque key is unknown, even beside a good token",
      {
        apikey: "sb_secret_unknown",
        authorization: `Bearer ${userToken}`,
      },
      "Invalid API key",
    ],
  ])("answers 401 when %s", (_what, headers, message) => {
    expect(authorizeRest(headers, null))
      .toMatchObject({ status: 401, body: { message } });
  });
});

describe("refuseWithoutJwt()", () => {
  it("lets a valid token pass", () => {
    const authorization = `Bearer ${userToken}`;
    expect(refuseWithoutJwt({ authorization })).toBeUndefined();
  });

  it("answers 401 to an opaque key, as the hosted platform does", () => {
    const authorization = `Bearer ${secretKey}`;
    expect(refuseWithoutJwt({ authorization, apikey: secretKey }))
      .toMatchObject({ status: 401 });
  });

  it("answers 401 when there is no token", () => {
    expect(refuseWithoutJwt({ apikey: secretKey }))
      .toMatchObject({ status: 401 });
  });
});
