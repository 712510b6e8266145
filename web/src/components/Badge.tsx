import type { Side } from "../state/view";

/** Which backend one is on: its name, its colour and its shape. */
export function Badge({ side }: { side: Side }) {
  return (
    <span class="badge" data-kind={side.kind} data-testid="backend-badge" title={`Connected to the ${side.label} server`}>
      <i class="shape" aria-hidden="true" />
      {side.label}
    </span>
  );
}
