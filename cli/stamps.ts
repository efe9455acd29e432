import type { Migration } from "./project.ts";

/**
 * As many times for the names of new migrations, the first after the youngest
 * of the project: the CLI refuses to push one that is older than what it has
 * pushed. Each is 14 digits, UTC.
 */
export function stampsAfter(
  migrations: readonly Migration[],
  now: Date,
  count: number,
): string[] {
  const stamps: string[] = [];
  let last = migrations.map(({ stamp }) => stamp).toSorted().at(-1) ?? "";
  for (let made = 0; made < count; made++) {
    const present = stampOf(now);
    last = present > last ? present : successor(last);
    stamps.push(last);
  }
  return stamps;
}

/** A second later; for what is no time, the next of its numbers. */
function successor(stamp: string): string {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(stamp) ?? [];
  const time = new Date(
    `${year}-${month}-${day}T${hour}:${minute}:${second}Z`,
  );
  if (!Number.isNaN(time.getTime()) && stampOf(time) === stamp) {
    return stampOf(new Date(time.getTime() + 1000));
  }
  return String(BigInt(stamp) + 1n).padStart(stamp.length, "0");
}

function stampOf(time: Date): string {
  return time.toISOString().replace(/\D/g, "").slice(0, 14);
}
