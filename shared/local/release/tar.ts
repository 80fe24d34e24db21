/**
 * Writes tar archives (ustar) that depend on nothing but what is put into them:
 * no owner, no order of a directory, one time for all. Pure.
 *
 * @see https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
 *
 * @module
 */

/** A file to put into an archive. */
export interface TarFile {
  /** Path in it: relative, of at most 100 bytes, ASCII. */
  readonly path: string;
  /** Content. */
  readonly bytes: Uint8Array;
  /** Whether it can be run. */
  readonly executable?: boolean;
}

const BLOCK = 512;
const ascii = new TextEncoder();

/**
 * Writes an archive.
 *
 * @param files Its files, in this order.
 * @param seconds Time of each, in seconds since 1970.
 * @throws {RangeError} If a path or a file is too long for the format.
 */
export function tarOf(
  files: readonly TarFile[],
  seconds: number,
): Uint8Array<ArrayBuffer> {
  const blocks = files.map((file) => {
    if (!/^[\x21-\x7e]{1,100}$/.test(file.path) || file.path.startsWith("/")) {
      throw new RangeError(`Cannot archive ${file.path}: its path will not do`);
    }
    const padded = Math.ceil(file.bytes.length / BLOCK) * BLOCK;
    return { header: headerOf(file, seconds), bytes: file.bytes, padded };
  });
  const size = blocks.reduce((sum, { padded }) => sum + BLOCK + padded, 0);
  // Two empty blocks are the end.
  const tar = new Uint8Array(size + 2 * BLOCK);
  let at = 0;
  for (const { header, bytes, padded } of blocks) {
    tar.set(header, at);
    tar.set(bytes, at + BLOCK);
    at += BLOCK + padded;
  }
  return tar;
}

function headerOf(file: TarFile, seconds: number): Uint8Array {
  const header = new Uint8Array(BLOCK);
  const put = (text: string, at: number) => header.set(ascii.encode(text), at);
  const octal = (value: number, digits: number) => {
    const text = value.toString(8).padStart(digits, "0");
    if (text.length > digits) {
      throw new RangeError(`Cannot archive ${file.path}: ${value} is too much`);
    }
    return text;
  };
  put(file.path, 0);
  put(octal(file.executable ? 0o755 : 0o644, 7), 100);
  put(octal(0, 7), 108); // user
  put(octal(0, 7), 116); // group
  put(octal(file.bytes.length, 11), 124);
  put(octal(seconds, 11), 136);
  put(" ".repeat(8), 148); // what the sum is made with
  put("0", 156); // a regular file
  put("ustar\0" + "00", 257);
  put("root", 265);
  put("root", 297);
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(`${octal(sum, 6)}\0 `, 148);
  return header;
}
