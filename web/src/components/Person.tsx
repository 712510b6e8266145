import type { User } from "../protocol";

/** A colour that stays with the person: any hash that spreads will do. */
function hue(id: string): number {
  let hash = 7;
  for (const char of id) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return hash;
}

export function Avatar({ user }: { user: User }) {
  const [initial = "?"] = new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(user.name);
  const letter = typeof initial === "string" ? initial : initial.segment;
  return (
    <span class="avatar" style={{ "--hue": hue(user.id) }} aria-hidden="true">
      {letter.toUpperCase()}
    </span>
  );
}

/** A name, with a short mark where somebody else who is here bears it too. */
export function Name({ user, mark }: { user: User; mark: string | undefined }) {
  return (
    <span class="name">
      <bdi>{user.name}</bdi>
      {mark && (
        <span class="mark" title="Somebody else here has the same name">
          {mark}
        </span>
      )}
    </span>
  );
}
