import { afterEach, describe, expect, test, vi } from "vitest";
import { ApiError } from "./api-error.ts";
import { readBody } from "./read-body.ts";

const LIMITS = { maxBytes: 10, timeoutMs: 5_000, isLenient: false };

function request(
  body: ReadableStream | string | Uint8Array<ArrayBuffer> | null,
  headers: Record<string, string> = {},
): Request {
  const init = { method: "POST", headers, body, duplex: "half" as const };
  return new Request("http://functions.test", init);
}

/** A body of as many chunks as are pulled, and whether it was given up. */
function endless(chunk: Uint8Array) {
  const state = { pulled: 0, isCancelled: false };
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      state.pulled++;
      controller.enqueue(chunk);
    },
    cancel: () => {
      state.isCancelled = true;
    },
  });
  return { state, stream };
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => undefined, (thrown) => thrown);
  expect(error).toBeInstanceOf(ApiError);
  return (error as ApiError).code;
}

afterEach(() => vi.useRealTimers());

describe("readBody()", () => {
  test.each(["", "1234567890", "é😀"])("reads %j", async (text) => {
    expect(await readBody(request(text), LIMITS)).toBe(text);
  });

  test("reads no body as empty", async () => {
    expect(await readBody(request(null), LIMITS)).toBe("");
  });

  test("drops a byte order mark", async () => {
    expect(await readBody(request("\uFEFF{}"), LIMITS)).toBe("{}");
  });

  test("joins a character that two chunks share", async () => {
    const [a, b] = [new Uint8Array([0xc3]), new Uint8Array([0xa9])];
    const stream = new ReadableStream({
      start: (controller) => {
        controller.enqueue(a);
        controller.enqueue(b);
        controller.close();
      },
    });
    expect(await readBody(request(stream), LIMITS)).toBe("é");
  });

  test("refuses an announced length without reading a byte", async () => {
    const { stream, state } = endless(new Uint8Array(1));
    const before = state.pulled;
    const lie = request(stream, { "content-length": "11" });
    expect(await refusal(readBody(lie, LIMITS))).toBe("BODY_TOO_LARGE");
    expect(state.pulled - before).toBeLessThanOrEqual(1);
  });

  test.each([{}, { "content-length": "5" }, { "content-length": "x" }])(
    "counts what arrives, whatever %j announces",
    async (headers) => {
      const { stream, state } = endless(new Uint8Array(4));
      const endlessRequest = request(stream, headers);
      expect(await refusal(readBody(endlessRequest, LIMITS)))
        .toBe("BODY_TOO_LARGE");
      expect(state.pulled).toBeLessThan(6);
      expect(state.isCancelled).toBe(true);
    },
  );

  test("gives up on a body that does not arrive in time", async () => {
    vi.useFakeTimers();
    const never = new ReadableStream({ pull: () => new Promise(() => {}) });
    const reading = refusal(readBody(request(never), LIMITS));
    await vi.advanceTimersByTimeAsync(LIMITS.timeoutMs);
    expect(await reading).toBe("INVALID_BODY");
  });

  test("answers 400 to a body that breaks off", async () => {
    const broken = new ReadableStream({
      start: (controller) => controller.error(new TypeError("reset")),
    });
    expect(await refusal(readBody(request(broken), LIMITS)))
      .toBe("INVALID_BODY");
  });

  test("refuses bytes that are not UTF-8, unless lenient", async () => {
    const bytes = () => request(new Uint8Array([0x61, 0xff]));
    expect(await refusal(readBody(bytes(), LIMITS))).toBe("INVALID_BODY");
    expect(await readBody(bytes(), { ...LIMITS, isLenient: true }))
      .toBe("a\uFFFD");
  });
});
