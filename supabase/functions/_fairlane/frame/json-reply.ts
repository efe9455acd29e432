/** A 200 whose body is the database's own text, byte for byte. */
export function jsonReply(text: string): Response {
  return new Response(text, {
    headers: { "content-type": "application/json" },
  });
}

/** The same for a reply that must be an object: clients index it unguarded. */
export function objectReply(text: string): Response {
  return replyThatBeginsWith(/^\s*\{/, text);
}

/** The same for a reply that is an object, or null where there is nothing. */
export function objectOrNullReply(text: string): Response {
  return replyThatBeginsWith(/^\s*(?:\{|null\s*$)/, text);
}

/** The same for a reply that must be a list. */
export function arrayReply(text: string): Response {
  return replyThatBeginsWith(/^\s*\[/, text);
}

function replyThatBeginsWith(beginning: RegExp, text: string): Response {
  if (beginning.test(text)) return jsonReply(text);
  throw new Error("The database replied with something of another shape");
}
