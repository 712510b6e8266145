import type { Room, State } from "../state/types";
import { sides } from "../state/view";
import { useActions } from "./actions";
import { Badge } from "./Badge";
import { ConnectionBanner, ConnectionState } from "./ConnectionState";
import { Icon } from "./Icon";

export type Panel = "rooms" | "members" | null;

interface Props {
  state: State;
  room: Room;
  panel: Panel;
  onPanel: (panel: Panel) => void;
}

export function Header({ state, room, panel, onPanel }: Props) {
  const actions = useActions();
  const { here, there } = sides(state);
  const toggle = (which: Panel) => () => onPanel(panel === which ? null : which);
  const count = room.members.count;
  return (
    <header>
      <div class="bar">
        <button
          type="button"
          class="plain narrow-only"
          aria-label="Rooms"
          aria-expanded={panel === "rooms"}
          onClick={toggle("rooms")}
        >
          <Icon name="menu" />
        </button>
        <h1>
          <span class="hash" aria-hidden="true">
            #
          </span>
          {room.name}
        </h1>
        <ConnectionState connection={state.connection} />
        <span class="spring" />
        {here && <Badge side={here} />}
        {there && (
          <button
            type="button"
            class="switch"
            data-testid="switch-backend"
            data-kind={there.kind}
            title={`Go on with this conversation over the ${there.label} server`}
            aria-label={`Switch to ${there.label}`}
            onClick={() => actions.switchBackend()}
          >
            <Icon name="swap" />
            <span>Switch to {there.label}</span>
          </button>
        )}
        <button
          type="button"
          class="plain narrow-only people"
          aria-label={`Who is here: ${count}`}
          aria-expanded={panel === "members"}
          onClick={toggle("members")}
        >
          <Icon name="people" />
          <span>{count}</span>
        </button>
      </div>
      <ConnectionBanner connection={state.connection} />
    </header>
  );
}
