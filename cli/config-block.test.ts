import fc from "fast-check";
import { parse } from "smol-toml";
import { describe, expect, it } from "vitest";
import {
  UnreadableConfig,
  withFunction,
  withoutFunction,
} from "./config-block.ts";

const CONFIG = `# Ours; keep the order.
project_id = "todo"

[functions.hello] # says hello
verify_jwt = true

[api]
port = 54321 # not the usual one
`;

describe("a config with the queue's function", () => {
  it("is the config as it was, and a block at its end", () => {
    const edited = withFunction(CONFIG, "todo");
    expect(edited.startsWith(CONFIG)).toBe(true);
    expect(parse(edited)).toEqual({
      ...parse(CONFIG),
      functions: {
        hello: { verify_jwt: true },
        fairlane: {
          enabled: true,
          verify_jwt: false,
          import_map: "./functions/fairlane/deno.json",
          entrypoint: "./functions/fairlane/index.js",
        },
      },
    });
  });

  it("stays as it is", () => {
    const edited = withFunction(CONFIG, "todo");
    expect(withFunction(edited, "todo")).toBe(edited);
  });

  it("is a new one where there is none", () => {
    expect(parse(withFunction(undefined, 'the "lane"')))
      .toMatchObject({
        project_id: 'the "lane"',
        functions: { fairlane: { verify_jwt: false } },
      });
  });

  it.each(["functions = { hello = { verify_jwt = true } }\n", "= broken"])(
    "is refused where it cannot be added: %s",
    (config) => {
      expect(() => withFunction(config, "todo")).toThrow(UnreadableConfig);
    },
  );
});

describe("a config without it again", () => {
  it("is to the byte what it was, whatever came after the block", () => {
    const lines = [
      "",
      "# only a comment",
      "[db]",
      "port = 1",
      "",
      'a = """\n[x]\n"""',
    ];
    const configs = fc.tuple(
      fc.shuffledSubarray(lines),
      fc.constantFrom("\n", "\r\n"),
      fc.boolean(),
    ).map(([chosen, end, isEnded]) =>
      chosen.join("\n").replaceAll("\n", end) + (isEnded ? end : "")
    );
    fc.assert(fc.property(configs, fc.boolean(), (config, isFollowed) => {
      const end = config.includes("\r\n") ? "\r\n" : "\n";
      const later = isFollowed ? `${end}[later]${end}x = 1${end}` : "";
      const edited = withFunction(config, "todo");
      if (isFollowed && !edited.endsWith(end)) return;
      expect(withoutFunction(edited + later)).toBe(config + later);
    }));
  });

  it("keeps what others wrote around an edited block", () => {
    const edited = `${withFunction(CONFIG, "todo")}import_map = "./mine.json"

# About the next one.
[storage]
`.replace(/import_map = "\.\/functions.*\n/, "");
    expect(withoutFunction(edited)).toBe(`${CONFIG}

# About the next one.
[storage]
`);
  });
});
