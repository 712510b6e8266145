/** A run directory out of a zip, by what browsers bring along. */

import { checked, DamagedRun, type StoredRun } from "./stored";

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LONGEST_COMMENT = 65_557;
const STORED = 0;
const DEFLATED = 8;
/** Bytes of one file, unpacked: an hour of 1 s records of four targets is far below. */
const LARGEST = 256 * 1024 * 1024;

const ONE = ["run", "plan", "fairness", "environment"] as const;
const MANY = ["series", "servers", "events", "trials"] as const;

interface Entry {
  name: string;
  method: number;
  size: number;
  packed: number;
  start: number;
}

function entries(view: DataView, name: string): Entry[] {
  let end = view.byteLength - 22;
  const least = Math.max(0, view.byteLength - LONGEST_COMMENT);
  while (end >= least && view.getUint32(end, true) !== END) end--;
  if (end < least) throw new DamagedRun(`${name} is no zip file, or a damaged one.`);
  const found: Entry[] = [];
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    if (view.getUint32(at, true) !== ENTRY) throw new DamagedRun(`${name} is damaged: its directory cannot be read.`);
    const [nameSize, extra, comment] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true)];
    const header = view.getUint32(at + 42, true);
    found.push({
      name: new TextDecoder().decode(new Uint8Array(view.buffer, at + 46, nameSize)),
      method: view.getUint16(at + 10, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      start: header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true),
    });
    at += 46 + nameSize + extra + comment;
  }
  return found;
}

async function text(view: DataView, entry: Entry): Promise<string> {
  if (entry.size > LARGEST || (entry.method !== STORED && entry.method !== DEFLATED)) {
    throw new DamagedRun(`${entry.name} cannot be unpacked here.`);
  }
  const bytes = new Blob([new Uint8Array(view.buffer as ArrayBuffer, entry.start, entry.packed)]);
  if (entry.method === STORED) return bytes.text();
  return new Response(bytes.stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
}

function lines(content: string, name: string): unknown[] {
  return content
    .split("\n")
    .filter((line) => line !== "")
    .map((line, index) => parse(line, `${name}, line ${index + 1}`));
}

function parse(content: string, where: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    throw new DamagedRun(`The run is damaged: ${where} cannot be read.`);
  }
}

/** Every run directory in the zip; DamagedRun where there is none, or one is damaged. */
export async function unzip(file: File): Promise<StoredRun[]> {
  try {
    const view = new DataView(await file.arrayBuffer());
    const all = entries(view, file.name);
    const places = all.filter((entry) => /(^|\/)run\.json$/.test(entry.name)).map((entry) => entry.name.slice(0, -8));
    if (places.length === 0) throw new DamagedRun(`There is no run.json in ${file.name}.`);
    const runs: StoredRun[] = [];
    for (const place of places) {
      const read = async (name: string) => {
        const entry = all.find((one) => one.name === place + name);
        return entry === undefined ? null : text(view, entry);
      };
      const found: Record<string, unknown> = { verdict: null };
      for (const part of ONE) found[part] = parse((await read(`${part}.json`)) ?? "null", `${part}.json`);
      for (const part of MANY) found[part] = lines((await read(`${part}.jsonl`)) ?? "", `${part}.jsonl`);
      const verdict = await read("verdict.json");
      if (verdict !== null) found["verdict"] = parse(verdict, "verdict.json");
      runs.push(checked(found, file.name));
    }
    return runs;
  } catch (error) {
    // Numbers in a damaged file lead anywhere; what comes of that is of one kind for whoever dropped it.
    throw error instanceof DamagedRun ? error : new DamagedRun(`${file.name} is damaged and cannot be unpacked.`);
  }
}
