import type { Line } from "../screen/line.ts";

/** What was on the screen at one moment. */
export interface Frame {
  readonly lines: readonly Line[];
  /** The rescue can be seen on it: the one to show where nothing moves. */
  readonly isRescue: boolean;
}

/** More would be watched by nobody, and make the file large. */
const MOST = 9;

/** Frames from the whole run, evenly, the first that shows the rescue among them. */
export function chooseFrames(frames: readonly Frame[]): Frame[] {
  const rescue = frames.findIndex(({ isRescue }) => isRescue);
  const indices = new Set<number>(rescue < 0 ? [] : [rescue]);
  const count = Math.min(MOST, frames.length);
  const step = (frames.length - 1) / Math.max(count - 1, 1);
  for (let n = 0; n < count; n++) indices.add(Math.round(n * step));
  return [...indices].sort((a, b) => a - b)
    .flatMap((index) => frames[index] ?? []);
}
