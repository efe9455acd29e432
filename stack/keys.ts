import { createHmac, timingSafeEqual } from "node:crypto";

// The fixed local keys of the Supabase CLI. They are public and guard nothing:
// using the same ones lets a client move between both stacks unchanged.

/** Secret that signs the local JWTs. */
export const jwtSecret =
  "super-secret-jwt-token-with-at-least-32-characters-long";

/** Opaque key that acts as `anon`. */
export const publishableKey = "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH";

/** Opaque key that acts as `service_role`. */
export const secretKey = "sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz";

/** Legacy JWT key that acts as `anon`. */
export const anonKey = localKey("anon");

/** Legacy JWT key that acts as `service_role`. */
export const serviceRoleKey = localKey("service_role");

/** The local signing key as a JSON Web Key Set, as functions receive it. */
export const jwks = {
  keys: [{
    kty: "oct",
    k: Buffer.from(jwtSecret).toString("base64url"),
    alg: "HS256",
  }],
};

/** Signs claims as the platform's auth server would (HS256). */
export function signJwt(
  claims: Record<string, unknown>,
  secret = jwtSecret,
): string {
  const header = encodePart({ alg: "HS256", typ: "JWT" });
  const signed = `${header}.${encodePart(claims)}`;
  return `${signed}.${signature(signed, secret).toString("base64url")}`;
}

/** Tells whether a token carries our signature and has not expired. */
export function isValidJwt(
  token: string,
  nowMs = Date.now(),
  secret = jwtSecret,
): boolean {
  const [header, payload, given, ...rest] = token.split(".");
  if (!header || !payload || !given || rest.length > 0) return false;
  const expected = signature(`${header}.${payload}`, secret);
  const actual = Buffer.from(given, "base64url");
  if (actual.length !== expected.length) return false;
  if (!timingSafeEqual(actual, expected)) return false;
  // Without this, a token that says "none" but carries an HMAC would pass.
  if (decodePart(header)?.["alg"] !== "HS256") return false;
  const expiry = decodePart(payload)?.["exp"];
  return expiry === undefined ||
    (typeof expiry === "number" && expiry * 1000 > nowMs);
}

/** The claims of a valid token of ours; undefined for any other. */
export function jwtClaims(
  token: string,
  nowMs = Date.now(),
): Record<string, unknown> | undefined {
  return isValidJwt(token, nowMs)
    ? decodePart(token.split(".")[1] ?? "")
    : undefined;
}

function localKey(role: string): string {
  // The order of the claims and the far expiry make it the CLI's exact key.
  return signJwt({ iss: "supabase-demo", role, exp: 1983812996 });
}

function encodePart(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decodePart(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(
      Buffer.from(part, "base64url").toString("utf8"),
    );
    return typeof value === "object" && value !== null
      ? value as Record<string, unknown>
      : undefined;
  } catch {
    return undefined;
  }
}

function signature(text: string, secret: string): Buffer {
  return createHmac("sha256", secret).update(text).digest();
}
