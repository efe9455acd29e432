import { SignJWT } from "jose";
import { stack } from "./stack.ts";

/** What a user's JWT says, as far as tests vary it. */
export interface UserJwtOptions {
  readonly expiresInSeconds?: number;
  readonly secret?: string;
}

/** A JWT as the platform's auth server gives it to a signed-in user. */
export function userJwt(
  userId: string,
  { expiresInSeconds = 3600, secret = stack().jwtSecret }: UserJwtOptions = {},
): Promise<string> {
  const issuedAt = Math.floor(Date.now() / 1000);
  return new SignJWT({ role: "authenticated", sub: userId })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setIssuer("supabase-demo")
    .setAudience("authenticated")
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + expiresInSeconds)
    .sign(new TextEncoder().encode(secret));
}
