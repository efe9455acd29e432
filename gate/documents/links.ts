import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

interface Link {
  /** The page, from the root of the project. */
  from: string;
  /** The file it leads to, from the root of the project. */
  to: string;
  /** The heading it leads to, as its address has it. */
  anchor: string | undefined;
}

/** The links of these pages that lead nowhere, as `page: file#heading`. */
export function brokenLinks(root: string, pages: readonly string[]): string[] {
  return pages.flatMap((page) =>
    linksOf(root, page)
      .filter(({ to, anchor }) =>
        !existsSync(join(root, to)) ||
        (anchor !== undefined && to.endsWith(".md") &&
          !anchorsOf(root, to).has(anchor))
      )
      .map(({ to, anchor }) =>
        `${page}: ${to}${anchor === undefined ? "" : `#${anchor}`}`
      )
  );
}

/** The links of a page to files of this project. */
export function linksOf(root: string, page: string): Link[] {
  return [...proseOf(root, page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = "", anchor] = target.split("#");
      const to = path === "" ? page : normalize(join(dirname(page), path));
      return { from: page, to, anchor };
    });
}

/** The addresses on a page: its headings', as code hosts make them, and those given by hand. */
function anchorsOf(root: string, page: string): Set<string> {
  const byHand = [...proseOf(root, page).matchAll(/<a id="([^"]+)">/g)];
  const anchors = new Set(byHand.map(([, id = ""]) => id));
  for (const [, heading = ""] of proseOf(root, page).matchAll(/^#+ (.*)$/gm)) {
    const plain = heading.trim().toLowerCase().replaceAll(" ", "-");
    const anchor = plain.replace(/[^\p{L}\p{N}_-]/gu, "");
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

function proseOf(root: string, page: string): string {
  return readFileSync(join(root, page), "utf8").replace(
    /^```[\s\S]*?^```/gm,
    "",
  );
}
