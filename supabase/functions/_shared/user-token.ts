import type { JSONWebKeySet, JWTPayload, JWTVerifyOptions } from "jose";
import { canonicalUuid } from "../../../shared/fields.ts";

/** The user of a JWT; "not-a-user" when it is genuine but of another role. */
export type VerifiedToken =
  | { readonly userId: string }
  | "not-a-user"
  | "invalid";

/** Verifies a JWT of Supabase Auth; never throws. */
export type VerifyUserToken = (token: string) => Promise<VerifiedToken>;

/** Where the keys come from: the project's JWKS, and its former shared secret. */
export interface UserTokenConfig {
  readonly jwks: JSONWebKeySet;
  readonly jwtSecret: string | undefined;
  readonly now: () => Date;
}

/** A way to check a signature, for the algorithms that its keys are made for. */
type Check = (token: string, options: JWTVerifyOptions) => Promise<JWTPayload>;

/** A `VerifyUserToken` for one project's keys. */
export function createVerifyUserToken(
  config: UserTokenConfig,
): VerifyUserToken {
  let checks: Promise<Check[]> | undefined;
  return async (token) => {
    checks ??= createChecks(config);
    for (const check of await checks) {
      try {
        const payload = await check(token, {
          requiredClaims: ["exp", "sub"],
          currentDate: config.now(),
        });
        return readUser(payload);
      } catch {
        // Not this key, or expired: the next key may still accept it.
      }
    }
    return "invalid";
  };
}

/**
 * jose is loaded by the first JWT and not before: workers send keys, and
 * should not pay for it at every cold start. Algorithms are pinned per kind of
 * key, so a public key can never be used as the secret of an HMAC.
 */
async function createChecks(config: UserTokenConfig): Promise<Check[]> {
  const { base64url, createLocalJWKSet, jwtVerify } = await import("jose");
  const isShared = (key: { kty?: string }) => key.kty === "oct";
  const checks: Check[] = [];

  const publicKeys = config.jwks.keys.filter((key) => !isShared(key));
  if (publicKeys.length > 0) {
    const keySet = createLocalJWKSet({ keys: publicKeys });
    const algorithms = ["ES256", "RS256"];
    checks.push(async (token, options) =>
      (await jwtVerify(token, keySet, { ...options, algorithms })).payload
    );
  }

  const secrets = config.jwks.keys.filter(isShared)
    .map((key) => base64url.decode(String(key.k ?? "")));
  if (config.jwtSecret !== undefined) {
    secrets.push(new TextEncoder().encode(config.jwtSecret));
  }
  for (const secret of secrets.filter((secret) => secret.length > 0)) {
    const algorithms = ["HS256"];
    checks.push(async (token, options) =>
      (await jwtVerify(token, secret, { ...options, algorithms })).payload
    );
  }
  return checks;
}

function readUser(payload: JWTPayload): VerifiedToken {
  if (payload["role"] !== "authenticated") return "not-a-user";
  const audience = payload.aud ?? "authenticated";
  if (![audience].flat().includes("authenticated")) return "invalid";
  const userId = canonicalUuid(payload.sub ?? "");
  return userId === null ? "invalid" : { userId };
}
