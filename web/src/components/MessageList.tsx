import { Component, createRef, Fragment } from "preact";
import type { Message, Position, User } from "../protocol";
import { keyOf } from "../state/positions";
import type { Room } from "../state/types";
import { find, marks, posts, rows, unread } from "../state/view";
import { ActionsContext, type Actions } from "./actions";
import { Icon } from "./Icon";
import { MessageRow } from "./MessageRow";
import { PendingRow } from "./PendingRow";

/** Pixels from the bottom within which one is at the bottom, and from the top within which older ones are loaded. */
const NEAR_BOTTOM = 40;
const NEAR_TOP = 400;
const FLASH_MS = 1600;

const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

interface Props {
  room: Room;
  me: User;
  onReply: (message: Message) => void;
  onEdit: (message: Message) => void;
  onRewrite: (text: string) => void;
}

interface ListState {
  active: string | null;
  flashing: string | null;
  atBottom: boolean;
}

/** What was on the screen before a change: a row and where it was. */
type Anchor = { key: string; top: number } | null;

/** The conversation. It sticks to its end while one is there, and holds still while one reads further up. */
export class MessageList extends Component<Props, ListState> {
  static override contextType = ActionsContext;
  override state: ListState = { active: null, flashing: null, atBottom: true };
  readonly #box = createRef<HTMLDivElement>();
  #observer: ResizeObserver | null = null;
  /** The scroll position as last set or reported: if it is another by now, the person has scrolled meanwhile. */
  #top = 0;
  /** A quoted message that is being loaded, page by page. */
  #seeking: Position | null = null;

  get #actions(): Actions {
    return this.context as Actions;
  }

  override componentDidMount(): void {
    this.#stick();
    this.#actions.viewed(true);
    this.#observer = new ResizeObserver(() => this.#isSticking() && this.#stick());
    for (const element of [this.#box.current, this.#box.current?.firstElementChild]) {
      if (element) this.#observer.observe(element);
    }
  }

  override componentWillUnmount(): void {
    this.#observer?.disconnect();
  }

  override getSnapshotBeforeUpdate(): Anchor {
    const box = this.#box.current;
    if (box === null || this.#isSticking()) return null;
    const { top } = box.getBoundingClientRect();
    for (const row of box.querySelectorAll<HTMLElement>("[data-key]")) {
      const bounds = row.getBoundingClientRect();
      if (bounds.bottom > top) return { key: row.dataset["key"] ?? "", top: bounds.top };
    }
    return null;
  }

  override componentDidUpdate(before: Props, _: ListState, anchor: Anchor): void {
    const { room } = this.props;
    const posted = posts(room).at(-1);
    if (posted !== undefined && posted.id !== posts(before.room).at(-1)?.id && posted.progress !== "failed") {
      this.#toBottom();
    } else if (this.#isSticking()) {
      this.#stick();
    } else if (anchor !== null && before.room.messages !== room.messages) {
      const row = this.#row(anchor.key);
      if (row && this.#box.current) this.#box.current.scrollTop += row.getBoundingClientRect().top - anchor.top;
    }
    if (before.room.messages !== room.messages || before.room.older !== room.older) this.#seek();
  }

  #row(key: string): HTMLElement | null {
    return this.#box.current?.querySelector<HTMLElement>(`[data-key="${key}"]`) ?? null;
  }

  #isSticking(): boolean {
    const top = this.#box.current?.scrollTop ?? 0;
    return this.state.atBottom && top >= this.#top - 1;
  }

  #stick(): void {
    const box = this.#box.current;
    if (box === null) return;
    box.scrollTop = box.scrollHeight;
    this.#top = box.scrollTop;
  }

  readonly #toBottom = () => {
    this.#stick();
    this.#setAtBottom(true);
  };

  #setAtBottom(atBottom: boolean): void {
    if (atBottom !== this.state.atBottom) this.setState({ atBottom });
    this.#actions.viewed(atBottom);
  }

  readonly #onScroll = () => {
    const box = this.#box.current;
    if (box === null) return;
    this.#top = box.scrollTop;
    this.#setAtBottom(box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_BOTTOM);
    if (box.scrollTop < NEAR_TOP) this.#actions.older(this.props.room.name);
  };

  readonly #jump = (answer: Message) => {
    this.#seeking = answer.reply_to ?? null;
    this.#seek();
  };

  /** Go to the message that is sought, or load the page before the first until it is there or cannot be. */
  #seek(): void {
    const { room } = this.props;
    const sought = this.#seeking;
    if (sought === null || room.older === "loading") return;
    const key = keyOf(sought);
    const row = this.#row(key);
    if (row === null && room.older === "some") return this.#actions.older(room.name);
    this.#seeking = null;
    if (row === null) return;
    this.#setAtBottom(false);
    row.scrollIntoView({ block: "center" });
    this.setState({ active: key, flashing: key });
    row.focus({ preventScroll: true });
    setTimeout(() => this.setState({ flashing: null }), FLASH_MS);
  }

  readonly #activate = (active: string) => {
    if (active !== this.state.active) this.setState({ active });
  };

  /** Arrow keys go from message to message; Tab goes to the tools of the one that has the focus. */
  readonly #onKeyDown = (event: KeyboardEvent) => {
    const focused = document.activeElement;
    if (!(focused instanceof HTMLElement) || focused.dataset["key"] === undefined) return;
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    const all = [...(this.#box.current?.querySelectorAll<HTMLElement>("[data-key]") ?? [])];
    const next = all[all.indexOf(focused) + (event.key === "ArrowUp" ? -1 : 1)];
    if (next) next.focus();
    else if (event.key === "ArrowDown") document.querySelector<HTMLElement>("[data-testid=composer]")?.focus();
  };

  #beginning() {
    const { membership, messages, older, position } = this.props.room;
    if (older === "loading") return <p class="edge quiet">Loading earlier messages…</p>;
    if (older === "some") return <p class="edge" />;
    if (position === null && membership !== "live") return <p class="edge quiet">Loading…</p>;
    if (messages.length === 0) return <p class="edge quiet">Nothing has been said here yet. Begin!</p>;
    return <p class="edge quiet">This is the beginning of what is kept of this room.</p>;
  }

  #messages() {
    const { room, me, onReply, onEdit } = this.props;
    const { active, flashing } = this.state;
    const all = rows(room);
    const mark = marks([...room.members.users, ...all.map(({ message }) => message.user)]);
    const tabbable = active ?? all.at(-1)?.key;
    let fresh = room.newSince;
    return all.map(({ key, message, pending, leads, opens }) => {
      const first = fresh !== null && message.offset > fresh;
      if (first) fresh = null;
      return (
        <Fragment key={key}>
          {opens && <h3 class="day">{DAY.format(message.at * 1000)}</h3>}
          {first && <h3 class="day fresh">New</h3>}
          <MessageRow
            message={message}
            pending={pending}
            leads={leads || first}
            me={me}
            mark={mark.get(message.user.id)}
            quoted={message.reply_to ? (find(room, message.reply_to) ?? null) : undefined}
            active={key === tabbable}
            flashing={key === flashing}
            onActive={this.#activate}
            onReply={onReply}
            onEdit={onEdit}
            onJump={this.#jump}
          />
        </Fragment>
      );
    });
  }

  override render() {
    const { room, me, onRewrite } = this.props;
    const { atBottom } = this.state;
    const count = unread(room, me);
    const lastUser = room.messages.at(-1)?.user.id;
    return (
      <div class="conversation">
        <div class="scroller" ref={this.#box} onScroll={this.#onScroll} onKeyDown={this.#onKeyDown}>
          <div
            class="messages"
            role="log"
            aria-live="off" // what is new is said elsewhere, in fewer words
            aria-label={`Messages in ${room.name}`}
            aria-busy={room.older === "loading"}
          >
            {this.#beginning()}
            {this.#messages()}
            {posts(room).map((act, i) => (
              <PendingRow
                key={act.id}
                room={room.name}
                act={act}
                me={me}
                leads={i === 0 && lastUser !== me.id}
                onRewrite={onRewrite}
              />
            ))}
          </div>
        </div>
        {!atBottom && (
          <button type="button" class="pill" data-testid="new-messages" data-count={count} onClick={this.#toBottom}>
            <Icon name="down" />
            {count > 0 ? `${count} new message${count === 1 ? "" : "s"}` : "Latest"}
          </button>
        )}
      </div>
    );
  }
}
