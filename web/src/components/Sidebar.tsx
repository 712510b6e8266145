import { useState } from "preact/hooks";
import { baseOf } from "../address";
import { ROOM_PATTERN } from "../protocol";
import type { State } from "../state/types";
import { unread } from "../state/view";
import { useActions } from "./actions";
import { Icon } from "./Icon";

const RULE = "A room's name has 1 to 64 of the characters a–z, 0–9, _ and -, and starts with a letter or a digit.";

function RoomForm({ suggestions }: { suggestions: string[] }) {
  const actions = useActions();
  const [wrong, setWrong] = useState(false);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const name = String(new FormData(form).get("room")).trim().replace(/^#/, "").toLowerCase();
    setWrong(!ROOM_PATTERN.test(name));
    if (!ROOM_PATTERN.test(name)) return;
    form.reset();
    location.hash = name;
  };
  return (
    <form class="room-form" onSubmit={submit} noValidate>
      <div class="field">
        <input
          name="room"
          list="known-rooms"
          placeholder="Join or create a room"
          aria-label="Join or create a room"
          aria-invalid={wrong}
          aria-describedby={wrong ? "room-rule" : undefined}
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          data-testid="room-input"
          onFocus={() => actions.listRooms()}
          onInput={() => setWrong(false)}
        />
        <button type="submit" class="plain" aria-label="Join">
          <Icon name="plus" />
        </button>
      </div>
      <datalist id="known-rooms">
        {suggestions.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {wrong && (
        <p id="room-rule" class="error" role="alert">
          {RULE}
        </p>
      )}
    </form>
  );
}

function RoomLink({ state, name }: { state: State; name: string }) {
  const actions = useActions();
  const room = state.rooms[name];
  const current = name === state.current;
  const count = room && !current ? unread(room, state.user) : 0;
  return (
    <li class={current ? "current" : ""}>
      <a href={`#${name}`} aria-current={current ? "page" : undefined} data-unread={count}>
        <span class="hash" aria-hidden="true">
          #
        </span>
        <span class="name">{name}</span>
        {count > 0 && (
          <span class="count" aria-label={`${count} unread`}>
            {count > 99 ? "99+" : count}
          </span>
        )}
      </a>
      {room && (
        <button type="button" class="plain leave" aria-label={`Leave ${name}`} onClick={() => actions.leave(name)}>
          <Icon name="close" />
        </button>
      )}
    </li>
  );
}

export function Sidebar({ state }: { state: State }) {
  const actions = useActions();
  const others = state.directory.map(({ name }) => name).filter((name) => state.rooms[name] === undefined);
  const twin = state.about?.twin;
  return (
    <nav class="sidebar" aria-label="Rooms">
      <p class="brand">
        <img src="icon.svg" alt="" width="22" height="22" />
        Tandem
      </p>
      <RoomForm suggestions={others} />
      <div class="lists">
        <h2>Your rooms</h2>
        <ul data-testid="room-list">
          {state.order.map((name) => (
            <RoomLink key={name} state={state} name={name} />
          ))}
        </ul>
        {others.length > 0 && <h2>Lately active</h2>}
        <ul class="others">
          {others.slice(0, 30).map((name) => (
            <RoomLink key={name} state={state} name={name} />
          ))}
        </ul>
      </div>
      <footer>
        <p class="me">
          <bdi>{state.user?.name}</bdi>
          <button type="button" class="link" onClick={() => actions.signOut()}>
            Leave the chat
          </button>
        </p>
        <p class="links">
          {twin && (
            <a href={`${baseOf(twin.address, location)}/#${state.current}`}>
              {twin.label} page <Icon name="external" />
            </a>
          )}
          <a href="docs">API</a>
        </p>
      </footer>
    </nav>
  );
}
