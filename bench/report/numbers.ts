/** 0.123, 1.23, 12.3, 1,234. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** 1.23x */
export function times(ratio: number): string {
  return Number.isFinite(ratio) ? `${number(ratio)}x` : "–";
}

/** Three percentiles in one cell. */
export function latency(
  { p50, p95, p99 }: { p50: number; p95: number; p99: number },
): string {
  return `${number(p50)} / ${number(p95)} / ${number(p99)}`;
}
