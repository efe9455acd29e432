import type { IncomingHttpHeaders } from "node:http";
import {
  anonKey,
  isValidJwt,
  publishableKey,
  secretKey,
  serviceRoleKey,
} from "./keys.ts";

/** Why a request is turned away before anything runs. */
export interface Refusal {
  status: 401;
  body: Record<string, unknown>;
}

const jwtOfKey = new Map([
  [publishableKey, anonKey],
  [secretKey, serviceRoleKey],
]);

/**
 * The Authorization header that PostgREST gets, from what the caller sent.
 *
 * PostgREST knows only JWTs, so the gateway exchanges opaque keys for the JWT of
 * their role. A real Bearer token wins over the key: it says who the user is, the
 * key only which program calls.
 */
export function authorizeRest(
  headers: IncomingHttpHeaders,
  queryKey: string | null,
): { authorization: string } | Refusal {
  const key = headerText(headers["apikey"]) || queryKey;
  if (!key) {
    return refuse({
      message: "No API key found in request",
      hint: "No `apikey` request header or url param was found.",
    });
  }
  const authorization = headers.authorization ?? "";
  const hasOpaqueBearer = /^bearer sb_/i.test(authorization);
  const jwt = jwtOfKey.get(key);
  if (!jwt && key.startsWith("sb_")) {
    return refuse({
      message: "Invalid API key",
      hint: "Double check your Supabase API key.",
    });
  }
  if (authorization && !hasOpaqueBearer) return { authorization };
  // A legacy key is itself a JWT; PostgREST checks it.
  return { authorization: `Bearer ${jwt ?? key}` };
}

/**
 * The platform's check of `verify_jwt = true`.
 *
 * Opaque keys do not pass it: hosted, they are not JWTs either. (The local stack
 * of the Supabase CLI lets them through, so a call that works there may fail once
 * deployed.)
 */
export function refuseWithoutJwt(
  headers: IncomingHttpHeaders,
): Refusal | undefined {
  const authorization = headers.authorization;
  if (!authorization) {
    return refuse({ code: 401, message: "Missing authorization header" });
  }
  const [, token] = /^bearer (.+)$/i.exec(authorization) ?? [];
  return token && isValidJwt(token)
    ? undefined
    : refuse({ code: 401, message: "Invalid JWT" });
}

function refuse(body: Record<string, unknown>): Refusal {
  return { status: 401, body };
}

function headerText(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(", ") : value ?? "";
}
