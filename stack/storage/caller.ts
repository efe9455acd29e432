import type { IncomingHttpHeaders } from "node:http";
import { authorizeRest } from "../gateway-keys.ts";
import { jwtClaims } from "../keys.ts";
import { StorageRefusal } from "./storage-error.ts";

/** Who asks: what row security sees of a caller. */
export type Claims = Readonly<Record<string, unknown>>;

/**
 * The caller's claims. A JWT in `Authorization` is enough here, without the
 * `apikey` that the Data API wants; opaque keys count in `apikey` only.
 */
export function readClaims(headers: IncomingHttpHeaders): Claims {
  const allowed = headers["apikey"]
    ? authorizeRest(headers, null)
    : { authorization: headers.authorization ?? "" };
  const authorization = "authorization" in allowed ? allowed.authorization : "";
  const [, token] = /^bearer (.+)$/i.exec(authorization) ?? [];
  const claims = token && jwtClaims(token);
  if (!claims) {
    throw new StorageRefusal(403, "AccessDenied", "Invalid Compact JWS");
  }
  return claims;
}
