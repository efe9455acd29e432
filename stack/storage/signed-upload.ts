import { jwtClaims, signJwt } from "../keys.ts";
import { StorageRefusal } from "./storage-error.ts";

/** Two hours, as hosted. */
const VALID_FOR_SECONDS = 2 * 60 * 60;

/** A token that lets its bearer upload to one path. */
export function signUpload(
  url: string,
  upsert: boolean,
  nowMs = Date.now(),
): string {
  const iat = Math.floor(nowMs / 1000);
  return signJwt({ url, upsert, iat, exp: iat + VALID_FOR_SECONDS });
}

/**
 * What a token allows at `url`. Whether an object may be replaced was decided
 * when the token was made; no header of the upload can change it.
 */
export function readUploadToken(
  token: string,
  url: string,
): { upsert: boolean } {
  const claims = jwtClaims(token);
  if (!claims) {
    throw new StorageRefusal(400, "InvalidJWT", "The token is not valid");
  }
  if (claims["url"] !== url) {
    throw new StorageRefusal(400, "InvalidSignature", "Invalid signature");
  }
  return { upsert: claims["upsert"] === true };
}
