import { ExplainedError } from "../../stack/setup/explained-error.mjs";

/**
 * Command line arguments that are whole numbers of at least 1, each with its
 * name; absent ones are left out. A run of 0 rounds would prove nothing and say
 * that all is well.
 */
export function wholeNumbers(
  names: readonly string[],
  args: readonly string[],
): (number | undefined)[] {
  const usage = names.map((name) => `[${name}]`).join(" ");
  if (args.length > names.length) {
    throw new ExplainedError(`At most ${names.length} numbers: ${usage}`);
  }
  return args.map((text, index) => {
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
    throw new ExplainedError(
      `${
        names[index]
      } must be a whole number of at least 1, not ${text}: ${usage}`,
    );
  });
}
