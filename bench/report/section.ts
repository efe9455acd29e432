/** One curve of a plot. */
export interface Series {
  name: string;
  points: { x: number; y: number }[];
}

/** A plot with logarithmic axes. */
export interface Plot {
  /** Name of the file, without ".svg". */
  file: string;
  title: string;
  xLabel: string;
  yLabel: string;
  series: Series[];
}

/** What one part of the bench has to say. */
export interface Section {
  title: string;
  /** What was measured and how to read it; one paragraph each. */
  notes: string[];
  head: string[];
  rows: string[][];
  plots?: Plot[];
}
