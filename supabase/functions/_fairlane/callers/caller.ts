import { ApiError } from "../frame/api-error.ts";
import { createKeyMatcher, hex, sha256 } from "./constant-time.ts";
import type { Credentials } from "./credentials.ts";
import type { VerifyUserToken } from "./user-jwt.ts";

/** The caller, in the form that the database gets (`p_caller`). */
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

  /** The holder of this credential; null when it names the project only. */
  const holderOf = async (credential: string): Promise<Caller | null> => {
    const digest = sha256(credential);
    if (isServiceKey(digest)) return { kind: "service" };
    if (isPublicKey(digest)) return null;
    if (!JWT_SHAPE.test(credential)) {
      // Only the database knows whether such a token exists, and whose it is.
      return { kind: "token", hash: hex(digest) };
    }
    const user = await config.verifyUserToken(credential);
    if (user === "not-a-user") return null;
    if (user === "invalid") {
      throw new ApiError(
        "INVALID_CREDENTIALS",
        "The user token is expired or not signed by this project",
      );
    }
    return { kind: "user", user_id: user.userId };
  };

  return async ({ bearer, apikey, isMalformed }) => {
    // As in the Data API, Authorization names the caller, whatever the key beside
    // it could do. A public key there names nobody, and clients send one beside
    // their key.
    const named = bearer === null ? null : await holderOf(bearer);
    if (named !== null) return named;
    if (apikey === null) {
      throw bearer === null ? unreadable(isMalformed) : anonymous();
    }
    const beside = await holderOf(apikey);
    if (beside?.kind === "service") return beside;
    if (bearer === null && isMalformed) throw unreadable(isMalformed);
    if (beside === null) throw anonymous();
    return beside;
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
