/**
 * What a folder looks like, down to when each of its folders was changed last:
 * a file that came and went leaves its trace there.
 *
 * @module
 */

/** Type, size, times of content and of inode, and inode, by path. */
export type Tree = ReadonlyMap<string, string>;

/** Looks at a folder and all that is in it, on its own file system. */
export async function treeOf(dir: string): Promise<Tree> {
  const { success, stdout, stderr } = await new Deno.Command("find", {
    // Deno's own times are too coarse, and are not all there are.
    args: [dir, "-xdev", "-printf", "/%P\\t%y %s %T@ %C@ %i %m %U:%G\\0"],
  }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(text.decode(stderr));
  return new Map(
    text.decode(stdout).split("\0").filter((line) => line !== "").map(
      (line) => line.split("\t") as [string, string],
    ),
  );
}

/** Paths that came, went or changed, in order. */
export function changesOf(before: Tree, after: Tree): readonly string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((path) =>
    before.get(path) !== after.get(path)
  ).sort();
}
