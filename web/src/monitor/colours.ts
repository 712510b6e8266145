/** The colours of the style sheet, as the canvas needs them. */

const probe = document.createElement("i");
probe.hidden = true;
document.documentElement.append(probe);
let known = new Map<string, string>();

export function colour(name: string): string {
  let value = known.get(name);
  if (value === undefined) {
    probe.style.color = `var(--${name})`;
    value = getComputedStyle(probe).color;
    known.set(name, value);
  }
  return value;
}

export const ofModel = (model: string): string => (model === "asgi" ? "async" : model === "wsgi" ? "sync" : "quiet");

export function onScheme(listener: () => void): () => void {
  const query = matchMedia("(prefers-color-scheme: dark)");
  const turned = () => {
    known = new Map();
    listener();
  };
  query.addEventListener("change", turned);
  return () => query.removeEventListener("change", turned);
}
