/** Owns the archive's files: writes, reads back and checks compressed JSON lines. Knows no row's meaning. */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";

/** A lawful file holds rows of some megabytes; longer lines are a sign that it is none of ours. */
const LONGEST_LINE = 512 * 1024 * 1024;

/** Where the parts of a data directory lie: `<root>/<day>/<archive id>/<name>.jsonl.gz` and `manifest.json`. */
export interface ArchivePlace {
  root: string;
  /** The name of this data directory, whichever host has it mounted. */
  name: string;
}

/** Finds the place below a data directory; the first one to come names it. */
export async function openPlace(dataDir: string): Promise<ArchivePlace> {
  const root = join(dataDir, "archive");
  await mkdir(root, { recursive: true, mode: 0o700 });
  const file = join(root, "place");
  // Of two that come first at the same moment only one creates it.
  await writeFile(file, randomUUID(), { flag: "wx", flush: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  return { root, name: (await readFile(file, "utf8")).trim() };
}

export interface PartName {
  day: string;
  archiveId: string;
}

export function partFolder({ root }: ArchivePlace, { day, archiveId }: PartName): string {
  return join(root, day, archiveId);
}

function unfinishedFolder({ root }: ArchivePlace, { day, archiveId }: PartName): string {
  return join(root, day, `${archiveId}.tmp`);
}

export function fileName(name: string): string {
  return `${name}.jsonl.gz`;
}

export interface WrittenFile {
  bytes: number;
  sha256: string;
}

/** Makes the folder that a part is written into; it gets its name by `finishPart`. */
export async function beginPart(place: ArchivePlace, part: PartName): Promise<string> {
  const folder = unfinishedFolder(place, part);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Writes lines as they come and makes sure that they are on the disk. */
export async function writeLines(
  folder: string,
  name: string,
  batches: AsyncIterable<readonly string[]>,
): Promise<WrittenFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  const measured = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const text = async function* () {
    for await (const lines of batches) if (lines.length > 0) yield `${lines.join("\n")}\n`;
  };
  const file = createWriteStream(join(folder, fileName(name)), { flags: "wx", mode: 0o600, flush: true });
  await pipeline(Readable.from(text()), createGzip(), measured, file);
  return { bytes, sha256: hash.digest("hex") };
}

/** Gives the part its name, with its manifest: from now on it is there, whole, whatever happens. */
export async function finishPart(place: ArchivePlace, part: PartName, manifest: object): Promise<void> {
  const folder = unfinishedFolder(place, part);
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  await writeFile(join(folder, "manifest.json"), text, { flag: "wx", mode: 0o600, flush: true });
  await syncFolder(folder);
  await rename(folder, partFolder(place, part));
  await syncFolder(join(place.root, part.day));
  await syncFolder(place.root);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes whatever there is of a part. */
export async function removePart(place: ArchivePlace, part: PartName): Promise<void> {
  await rm(unfinishedFolder(place, part), { recursive: true, force: true });
  await rm(partFolder(place, part), { recursive: true, force: true });
}

/** Why a file is not what was written; null if it is: its bytes, its hash, its lines. */
export async function problemOf(
  folder: string,
  expected: { name: string; rows: number; bytes: number; sha256: string },
): Promise<string | null> {
  const path = join(folder, fileName(expected.name));
  try {
    const { size } = await stat(path);
    if (size !== expected.bytes) return `has ${size} bytes where ${expected.bytes} were written`;
    const hash = createHash("sha256");
    let rows = 0;
    const tap = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        done(null, chunk);
      },
    });
    await pipeline(createReadStream(path), tap, createGunzip(), async (plain: AsyncIterable<Buffer>) => {
      for await (const chunk of plain) for (const byte of chunk) if (byte === NEWLINE) rows++;
    });
    if (hash.digest("hex") !== expected.sha256) return "has another SHA-256 than was written";
    return rows === expected.rows ? null : `holds ${rows} rows where ${expected.rows} were written`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? "is not there" : `cannot be read: ${message}`;
  }
}

const NEWLINE = 10;

/** The lines of a file, as they are read. Rejects where it is no gzip, or ends too early. */
export async function* readLines(folder: string, name: string): AsyncGenerator<string> {
  const source = createReadStream(join(folder, fileName(name)));
  const plain = createGunzip();
  source.on("error", (error) => plain.destroy(error));
  source.pipe(plain);
  let rest: Buffer[] = [];
  let restBytes = 0;
  try {
    for await (const chunk of plain as AsyncIterable<Buffer>) {
      let start = 0;
      // Not by a reader of lines of text: JSON may hold other line ends than this one.
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        const line = Buffer.concat([...rest, chunk.subarray(start, end)]);
        rest = [];
        restBytes = 0;
        start = end + 1;
        yield line.toString("utf8");
      }
      rest.push(chunk.subarray(start));
      restBytes += chunk.length - start;
      if (restBytes > LONGEST_LINE)
        throw new Error(`${name} holds a line of more than ${LONGEST_LINE} bytes`);
    }
  } finally {
    source.destroy();
    plain.destroy();
  }
}
