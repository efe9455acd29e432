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

describe("authorizeRest()", () => {
  it.each([
    ["the secret key", secretKey, serviceRoleKey],
    ["the publishable key", publishableKey, anonKey],
    ["a legacy key", serviceRoleKey, serviceRoleKey],
  ])("takes the role from %s in apikey", (_name, apikey, jwt) => {
    expect(authorizeRest({ apikey }, null)).toEqual({
      authorization: `Bearer ${jwt}`,
    });
  });

  it("takes the key from the query when there is no header", () => {
    expect(authorizeRest({}, secretKey)).toEqual({
      authorization: `Bearer ${serviceRoleKey}`,
    });
  });

  it("lets a user's token win over the key", () => {
    const authorization = `Bearer ${userToken}`;
    expect(authorizeRest({ apikey: publishableKey, authorization }, null))
      .toEqual({ authorization });
  });

  it("exchanges an opaque key that was also sent as Bearer", () => {
    const authorization = `Bearer ${secretKey}`;
    expect(authorizeRest({ apikey: secretKey, authorization }, null)).toEqual({
      authorization: `Bearer ${serviceRoleKey}`,
    });
  });

  it("treats an empty Authorization header as none", () => {
    expect(authorizeRest({ apikey: secretKey, authorization: "" }, null))
      .toEqual({ authorization: `Bearer ${serviceRoleKey}` });
  });

  it("leaves a foreign legacy key for PostgREST to refuse", () => {
    const foreign = signJwt({ role: "anon" }, "another project's secret");
    expect(authorizeRest({ apikey: foreign }, null)).toEqual({
      authorization: `Bearer ${foreign}`,
    });
  });

  it("answers 401 when there is no apikey, Bearer or not", () => {
    const refusal = {
      status: 401,
      body: { message: "No API key found in request" },
    };
    expect(authorizeRest({}, null)).toMatchObject(refusal);
    expect(authorizeRest({ authorization: `Bearer ${userToken}` }, null))
      .toMatchObject(refusal);
  });

  it("answers 401 to an unknown opaque key, even beside a good token", () => {
    const headers = {
      apikey: "sb_secret_unknown",
      authorization: `Bearer ${userToken}`,
    };
    expect(authorizeRest(headers, null)).toMatchObject({
      status: 401,
      body: { message: "Invalid API key" },
    });
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
