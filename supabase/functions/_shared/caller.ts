import { ApiError } from "./api-error.ts";
import { createKeyMatcher, hex, sha256 } from "./constant-time.ts";
import type { Credentials } from "./credentials.ts";
import type { VerifyUserToken } from "./user-token.ts";

/** Who calls, in the very form in which the database is told (`p_caller`). */
export type Caller =
  | { readonly kind: "service" }
  | { readonly kind: "token"; readonly hash: string }
  | { readonly kind: "user"; readonly user_id: string };

/** The keys of this project and the way to check a user's JWT. */
export interface CallerConfig {
  readonly serviceKeys: readonly string[];
  /** Anon and publishable keys: they name the project, not a caller. */
  readonly publicKeys: readonly string[];
  readonly verifyUserToken: VerifyUserToken;
}

/** Finds out who calls, or throws 401 or 403. */
export type Identify = (credentials: Credentials) => Promise<Caller>;

const JWT_SHAPE = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** An `Identify` for one project; the digests of its keys are computed here. */
export function createIdentify(config: CallerConfig): Identify {
  const isServiceKey = createKeyMatcher(config.serviceKeys);
  const isPublicKey = createKeyMatcher(config.publicKeys);

  return async ({ bearer, apikey, isMalformed }) => {
    // A service key in either header wins: clients that send both put it in
    // one of them and the project's public key in the other.
    if (apikey !== null && isServiceKey(sha256(apikey))) {
      return { kind: "service" };
    }
    const credential = bearer ?? (isMalformed ? null : apikey);
    if (credential === null) throw unreadable(isMalformed);

    const digest = sha256(credential);
    if (isServiceKey(digest)) return { kind: "service" };
    if (isPublicKey(digest)) throw anonymous();
    if (!JWT_SHAPE.test(credential)) {
      // Whether such a token exists, and whose it is, only the database knows.
      return { kind: "token", hash: hex(digest) };
    }
    const user = await config.verifyUserToken(credential);
    if (user === "invalid") {
      throw new ApiError(
        "INVALID_CREDENTIALS",
        "The user token is expired or not signed by this project",
      );
    }
    if (user === "not-a-user") throw anonymous();
    return { kind: "user", user_id: user.userId };
  };
}

function unreadable(isMalformed: boolean): ApiError {
  return isMalformed
    ? new ApiError(
      "INVALID_CREDENTIALS",
      "The Authorization header must read `Bearer <key or token>`",
    )
    : new ApiError(
      "MISSING_CREDENTIALS",
      "Send a key or token in the Authorization or apikey header",
    );
}

function anonymous(): ApiError {
  return new ApiError(
    "FORBIDDEN",
    "The project's public key identifies no caller",
    { hint: "Send a service key, an access token or a user's JWT" },
  );
}
