/**
 * Text by lines.
 *
 * @module
 */

/** Longest line in UTF-16 code units; a longer one is cut into several. */
const MAX_LINE = 64 * 1024;

/** Splits text into lines, without their ends (`\n` or `\r\n`). */
export class TextLineStream extends TransformStream<string, string> {
  /** Makes a stream. */
  constructor() {
    let rest = "";
    super({
      transform(chunk, controller) {
        const lines = (rest + chunk).split(/\r?\n/);
        rest = lines.pop() ?? "";
        for (const line of lines) controller.enqueue(line);
        for (; rest.length > MAX_LINE; rest = rest.slice(MAX_LINE)) {
          controller.enqueue(rest.slice(0, MAX_LINE));
        }
      },
      flush(controller) {
        if (rest !== "") controller.enqueue(rest);
      },
    });
  }
}
