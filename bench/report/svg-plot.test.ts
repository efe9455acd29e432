import { describe, expect, it } from "vitest";
import { svgPlot } from "./svg-plot.ts";

const plot = {
  file: "claim",
  title: 'CPU < time & "cost"',
  xLabel: "backlog",
  yLabel: "ms",
  series: [{
    name: "ours",
    points: [{ x: 1_000, y: 0.5 }, { x: 1_000_000, y: 50 }],
  }],
};

describe("svgPlot()", () => {
  const svg = svgPlot(plot);
  it("puts the first point left and low, the last right and high", () => {
    const [first, last] = (/points="([^"]+)"/.exec(svg)?.[1] ?? "").split(" ")
      .map((point) => point.split(",").map(Number));
    expect(first?.[0]).toBeLessThan(last?.[0] ?? 0);
    expect(first?.[1]).toBeGreaterThan(last?.[1] ?? 0);
  });
  it("labels whole powers of ten", () => {
    expect(svg).toContain(">1k<");
    expect(svg).toContain(">1M<");
    expect(svg).toContain(">0.1<");
  });
  it("escapes what it was given", () => {
    expect(svg).toContain("CPU &lt; time &amp; &quot;cost&quot;");
    expect(svg).not.toContain("NaN");
  });
});
