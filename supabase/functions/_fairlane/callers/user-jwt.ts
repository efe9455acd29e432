import type { CryptoKey, JSONWebKeySet, JWK, JWTPayload } from "jose";
import { canonicalUuid } from "../../../../shared/fields.ts";

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

/** One key and the one algorithm it is for. */
interface Verifier {
  readonly kid: string | undefined;
  readonly algorithm: string;
  readonly key: CryptoKey | Uint8Array;
}

/** At most this many keys are tried for a token; a rotation has two. */
const MAX_TRIES = 8;

/** A `VerifyUserToken` for one project's keys. */
export function createVerifyUserToken(
  config: UserTokenConfig,
): VerifyUserToken {
  let verifiers: Promise<Verifier[]> | undefined;
  return async (token) => {
    // jose is loaded with the first JWT: workers send keys, and should not pay
    // for it at every cold start.
    const { decodeProtectedHeader, jwtVerify } = await import("jose");
    verifiers ??= readVerifiers(config);
    let header: { alg?: string; kid?: string };
    try {
      header = decodeProtectedHeader(token);
    } catch {
      return "invalid";
    }
    const fitting = (await verifiers).filter(({ algorithm, kid }) =>
      algorithm === header.alg &&
      (kid === undefined || header.kid === undefined || kid === header.kid)
    );
    for (const { key, algorithm } of fitting.slice(0, MAX_TRIES)) {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: [algorithm],
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
 * The keys of the project, each for one algorithm only, so that a public key can
 * never be used as the secret of an HMAC. Unreadable keys are left out; `kid`
 * may be missing or repeated.
 */
async function readVerifiers(config: UserTokenConfig): Promise<Verifier[]> {
  const { importJWK } = await import("jose");
  const verifiers: Verifier[] = [];
  for (const jwk of config.jwks.keys) {
    const algorithm = ALGORITHMS[jwk.kty ?? ""];
    if (algorithm === undefined || !mayVerify(jwk, algorithm)) continue;
    try {
      const key = await importJWK(jwk, algorithm);
      if (key instanceof Uint8Array && key.length === 0) continue;
      verifiers.push({ kid: jwk.kid, algorithm, key });
    } catch {
      // Of another curve, or damaged.
    }
  }
  if (config.jwtSecret) {
    const key = new TextEncoder().encode(config.jwtSecret);
    verifiers.push({ kid: undefined, algorithm: "HS256", key });
  }
  return verifiers;
}

const ALGORITHMS: Readonly<Record<string, string>> = {
  EC: "ES256",
  RSA: "RS256",
  oct: "HS256",
};

/** Whether a key of the set is one for checking signatures of this kind. */
function mayVerify(jwk: JWK, algorithm: string): boolean {
  return (jwk.alg === undefined || jwk.alg === algorithm) &&
    (jwk.use === undefined || jwk.use === "sig") &&
    (jwk.key_ops === undefined || jwk.key_ops.includes("verify"));
}

function readUser(payload: JWTPayload): VerifiedToken {
  if (payload["role"] !== "authenticated") return "not-a-user";
  const audience = payload.aud ?? "authenticated";
  if (![audience].flat().includes("authenticated")) return "invalid";
  const userId = canonicalUuid(payload.sub ?? "");
  return userId === null ? "invalid" : { userId };
}
