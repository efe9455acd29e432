import type { StackAddresses } from "../../stack/stack-addresses.ts";

/** What came back: the status (0: no answer in time) and the body. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** A request to the functions or to the Data API. */
export type Call = (
  path: string,
  body: unknown,
  options: { key: string; method?: string },
) => Promise<Answer>;

/** Calls a stack; a path that begins with /rest goes to the Data API. */
export function callsTo(stack: StackAddresses): Call {
  return async (path, body, { key, method = "POST" }) => {
    const isData = path.startsWith("/rest");
    const url = isData ? `${stack.apiUrl}${path}` : stack.functionsUrl + path;
    try {
      const response = await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/json",
          ...isData ? { apikey: stack.publishableKey } : {},
        },
        ...body === undefined
          ? {}
          : { body: typeof body === "string" ? body : JSON.stringify(body) },
        signal: AbortSignal.timeout(30_000),
      });
      return { status: response.status, text: await response.text() };
    } catch {
      return { status: 0, text: "" };
    }
  };
}
