/** Text as written, in pieces: what is a web address becomes a link, all else stays text. */

export interface Piece {
  text: string;
  /** http or https only. */
  href?: string;
}

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`]+/gi;
/** What ends a sentence rather than an address. */
const TRAILING = /[.,:;!?*_~…»”’]+$/;

const count = (text: string, char: string): number => text.split(char).length - 1;

function clip(address: string): string {
  for (;;) {
    const clipped = address.replace(TRAILING, "");
    const closing = clipped.endsWith(")") && count(clipped, ")") > count(clipped, "(");
    const next = closing ? clipped.slice(0, -1) : clipped;
    if (next === address) return address;
    address = next;
  }
}

function hrefOf(address: string): string | null {
  if (!URL.canParse(address)) return null;
  const { protocol, href } = new URL(address);
  return protocol === "http:" || protocol === "https:" ? href : null;
}

export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = clip(match[0]);
    const href = hrefOf(address);
    if (href === null) continue;
    if (match.index > end) found.push({ text: text.slice(end, match.index) });
    found.push({ text: address, href });
    end = match.index + address.length;
  }
  if (end < text.length) found.push({ text: text.slice(end) });
  return found;
}
