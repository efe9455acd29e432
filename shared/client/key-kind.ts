/**
 * Whether the Data API knows this key as a service key. It answers 401 to tokens
 * before any code of the queue runs, so their heartbeats use `POST /beat`.
 */
export function isServiceKey(key: string): boolean {
  if (key.startsWith("sb_secret_")) return true;
  const [, payload = "", signature] = key.split(".");
  if (signature === undefined) return false;
  try {
    const text = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    const claims: unknown = JSON.parse(text);
    return typeof claims === "object" && claims !== null &&
      "role" in claims && claims.role === "service_role";
  } catch {
    return false;
  }
}
