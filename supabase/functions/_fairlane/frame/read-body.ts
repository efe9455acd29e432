import { ApiError } from "./api-error.ts";

/** Bodies that carry only settings. */
export const SMALL_BODY = 1024 * 1024;
/** Completions may carry a file of up to 2 MiB and its first frame. */
export const COMPLETION_BODY = 8 * 1024 * 1024;
/** Failures may carry a whole log, which the database cuts. */
export const FAILURE_BODY = 16 * 1024 * 1024;

/** How much of a body is read, for how long, and how strictly. */
export interface BodyLimits {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** Bytes that are not UTF-8 become U+FFFD instead of an error. */
  readonly isLenient: boolean;
}

/**
 * The body as text. The announced length counts only when it is too large;
 * arriving bytes are counted, so that a lie costs no memory. The deadline keeps a
 * client that sends a byte a second from holding a connection.
 */
export async function readBody(
  request: Request,
  limits: BodyLimits,
): Promise<string> {
  const tooLarge = () =>
    new ApiError(
      "BODY_TOO_LARGE",
      `The body must have at most ${limits.maxBytes} bytes`,
    );
  if (Number(request.headers.get("content-length")) > limits.maxBytes) {
    throw tooLarge();
  }
  if (request.body === null) return "";

  const reader = request.body.getReader();
  const late = deadline(limits.timeoutMs);
  const decode = createDecoder(limits.isLenient);
  let text = "";
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late.reached]);
      if (done) return text + decode();
      size += value.byteLength;
      if (size > limits.maxBytes) throw tooLarge();
      text += decode(value);
    }
  } catch (error) {
    // Not awaited: a client that stopped sending would hold up its own reply.
    reader.cancel().catch(() => {});
    if (error instanceof ApiError) throw error;
    throw new ApiError("INVALID_BODY", "The body ended before it was complete");
  } finally {
    late.clear();
  }
}

function deadline(timeoutMs: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const reached = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new ApiError(
          "INVALID_BODY",
          `The body must arrive within ${timeoutMs / 1000} seconds`,
        ),
      );
    }, timeoutMs);
  });
  return { reached, clear: () => clearTimeout(timer) };
}

/** Decodes one chunk after the other, and what is left when given none. */
function createDecoder(isLenient: boolean): (chunk?: Uint8Array) => string {
  const decoder = new TextDecoder("utf-8", { fatal: !isLenient });
  return (chunk) => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined });
    } catch {
      throw new ApiError("INVALID_BODY", "The body must be UTF-8");
    }
  };
}
