import { createHash } from "node:crypto";

/** How functions name the holder of a personal access token. */
export function tokenCaller(token: string): { kind: "token"; hash: string } {
  const hash = createHash("sha256").update(token).digest("hex");
  return { kind: "token", hash };
}
