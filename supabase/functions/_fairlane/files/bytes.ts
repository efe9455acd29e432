/**
 * Bytes in memory of their own, as the body of a request wants them. Today's
 * TypeScript says `Uint8Array<ArrayBuffer>`, which that of Deno 2.1 cannot read.
 */
export type Bytes = ReturnType<typeof Uint8Array.from>;
