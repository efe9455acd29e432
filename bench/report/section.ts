/** What one part of the bench has to say. */
export interface Section {
  title: string;
  /** What was measured and how to read it; one paragraph each. */
  notes: string[];
  head: string[];
  rows: string[][];
}
