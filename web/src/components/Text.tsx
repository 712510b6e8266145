import { pieces } from "../text";

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export function Time({ at }: { at: number }) {
  const date = new Date(at * 1000);
  return (
    <time dateTime={date.toISOString()} title={FULL.format(date)}>
      {TIME.format(date)}
    </time>
  );
}

/** What somebody wrote: text nodes and links, never markup. */
export function Text({ text }: { text: string }) {
  return (
    <p class="text" dir="auto">
      {pieces(text).map(({ text: part, href }, i) =>
        href === undefined ? (
          part
        ) : (
          <a key={i} href={href} target="_blank" rel="noopener noreferrer nofollow">
            {part}
          </a>
        ),
      )}
    </p>
  );
}
