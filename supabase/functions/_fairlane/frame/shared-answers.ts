/** Answers that are told to everybody who asks the same within a moment. */
export interface SharedAnswers {
  /**
   * What `ask` answers, or what it has answered to whoever asked by the same
   * key not longer than the moment ago. A failure is told to those who wait for
   * it, and to nobody after.
   */
  get(key: string, ask: () => Promise<string>): Promise<string>;
  /** Something was written: who asks from now on is told what is so now. */
  forget(): void;
}

/** More than anybody asks; a key may come with the request. */
const MOST = 100;

/** Holds answers for `momentMs` from when they were asked for; 0 = only for that one. */
export function createSharedAnswers(
  momentMs: number,
  now: () => number,
): SharedAnswers {
  const asked = new Map<string, { at: number; answer: Promise<string> }>();
  return {
    get(key, ask) {
      const at = now();
      const known = asked.get(key);
      // It counts from the question: the answer tells of a moment after it.
      if (known !== undefined && at - known.at < momentMs) return known.answer;
      const answer = ask();
      if (asked.size >= MOST) asked.clear();
      const entry = { at, answer };
      asked.set(key, entry);
      answer.catch(() => {
        if (asked.get(key) === entry) asked.delete(key);
      });
      return answer;
    },
    forget: () => asked.clear(),
  };
}
