/** Opaque keys go in `apikey` alone; a legacy key is a JWT and goes in both. */
export function keyHeaders(key: string): Record<string, string> {
  const isJwt = key.split(".").length === 3;
  return isJwt
    ? { apikey: key, authorization: `Bearer ${key}` }
    : { apikey: key };
}
