/** Receives one line of output, without its line break. */
export type LogLine = (line: string) => void;

/** Turns chunks of a stream into whole lines. */
export function lineSplitter(
  onLine: LogLine,
): (chunk: Buffer | string) => void {
  let rest = "";
  return (chunk) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line.replace(/\r$/, ""));
  };
}

/** Puts the name of a part in front of each of its lines. */
export function prefixed(name: string, log: LogLine): LogLine {
  return (line) => log(`${name} | ${line}`);
}
