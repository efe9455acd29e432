/** A 200 whose body is the database's own text, byte for byte. */
export function jsonReply(text: string): Response {
  return new Response(text, {
    headers: { "content-type": "application/json" },
  });
}

/** The same for a reply that must be an object: clients index it unguarded. */
export function objectReply(text: string): Response {
  if (!text.trimStart().startsWith("{")) {
    throw new Error("The database replied with something else than an object");
  }
  return jsonReply(text);
}
