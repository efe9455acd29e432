/** What one part of the screen would like to have. */
export interface Wish {
  readonly wanted: number;
  /** Below this it is of no use. */
  readonly least: number;
}

/**
 * Divides rows among the parts: first what each needs at least, then, from the
 * first to the last, what each would like. Never more than there are.
 */
export function share(rows: number, wishes: readonly Wish[]): number[] {
  let left = Math.max(rows, 0);
  const take = (asked: number) => {
    const given = Math.min(asked, left);
    left -= given;
    return given;
  };
  const least = wishes.map(({ wanted, least }) =>
    take(Math.min(wanted, least))
  );
  return wishes.map(({ wanted }, index) => {
    const given = least[index] ?? 0;
    return given + take(wanted - given);
  });
}
