import { Component, createRef } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Message, User } from "../protocol";
import { keyOf } from "../state/positions";
import type { Amendment } from "../state/types";
import { ActionsContext, type Actions } from "./actions";
import { Icon } from "./Icon";
import { Reactions, Tools } from "./MessageTools";
import { Avatar, Name } from "./Person";
import { Text, Time } from "./Text";

interface Props {
  message: Message;
  pending: Amendment | undefined;
  leads: boolean;
  me: User;
  mark: string | undefined;
  /** The message that this one answers: null where it is not loaded, undefined where it answers none. */
  quoted: Message | null | undefined;
  /** Whether its tools are shown, and it is the one that Tab reaches. */
  active: boolean;
  flashing: boolean;
  onActive: (key: string) => void;
  onReply: (message: Message) => void;
  onEdit: (message: Message) => void;
  onJump: (message: Message) => void;
}

interface RowState {
  confirming: boolean;
}

function Quote({ quoted, onClick }: { quoted: Message | null; onClick: () => void }) {
  return (
    <button type="button" class="quote" data-testid="quote" onClick={onClick}>
      <Icon name="reply" />
      {quoted === null ? (
        <span class="quiet">an earlier message</span>
      ) : (
        <span>
          <bdi>{quoted.user.name}</bdi> <span class="quiet">{quoted.text ?? "deleted"}</span>
        </span>
      )}
    </button>
  );
}

function Body({ message, pending }: { message: Message; pending: Amendment | undefined }) {
  if (message.text === null) return <p class="text gone">Message deleted</p>;
  const editing = pending?.type === "edit";
  const edited = editing || Boolean(message.edited_at);
  return (
    <>
      <Text text={editing ? pending.text : message.text} />
      {edited && <span class="aside">{editing ? "saving the edit…" : "edited"}</span>}
      {pending?.type === "delete" && <span class="aside">deleting…</span>}
    </>
  );
}

function Confirmation({ onDelete, onKeep }: { onDelete: () => void; onKeep: () => void }) {
  const keep = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => keep.current?.focus(), []);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    onKeep();
  };
  return (
    <div class="confirm" role="group" aria-label="Delete this message?" onKeyDown={onKeyDown}>
      <span>Delete this message for everybody?</span>
      <button type="button" class="small danger" data-testid="confirm-delete" onClick={onDelete}>
        Delete
      </button>
      <button type="button" class="small" ref={keep} onClick={onKeep}>
        Keep
      </button>
    </div>
  );
}

/**
 * One message. Rows are many and change rarely, so a row is drawn again only when something about it is new. A finger
 * does not hover: tools that came up under it on its way down would take the tap. A pointer has to move: where one rests,
 * rows that scroll past under it would take the tools from the row that somebody is using.
 */
export class MessageRow extends Component<Props, RowState> {
  static override contextType = ActionsContext;
  override state: RowState = { confirming: false };
  readonly #row = createRef<HTMLElement>();

  override shouldComponentUpdate(next: Props, state: RowState): boolean {
    const keys = Object.keys(next) as (keyof Props)[];
    return state.confirming !== this.state.confirming || keys.some((key) => next[key] !== this.props[key]);
  }

  readonly #ask = () => this.setState({ confirming: true });

  /** What had the focus is gone, so that the row takes it. */
  readonly #keep = () => {
    this.setState({ confirming: false });
    this.#row.current?.focus({ preventScroll: true });
  };

  readonly #delete = () => {
    this.#keep();
    (this.context as Actions).delete(this.props.message);
  };

  #tools() {
    const { message, pending, me, active, onReply, onEdit } = this.props;
    if (!active || this.state.confirming || message.text === null) return null;
    return (
      <Tools
        message={message}
        pending={pending}
        me={me}
        onReply={() => onReply(message)}
        onEdit={() => onEdit(message)}
        onDelete={this.#ask}
      />
    );
  }

  #head() {
    const { message, me, mark } = this.props;
    return (
      <div class="head">
        <Name user={message.user} mark={mark} />
        {message.user.id === me.id && <span class="quiet">you</span>}
        <Time at={message.at} />
      </div>
    );
  }

  override render() {
    const { message, pending, leads, me, quoted, active, flashing, onActive, onJump } = this.props;
    const key = keyOf(message);
    const own = message.user.id === me.id;
    const classes = ["row", leads && "leads", own && "own", active && "active", flashing && "flash"].filter(Boolean);
    return (
      <article
        ref={this.#row}
        class={classes.join(" ")}
        data-testid="message"
        data-epoch={message.epoch}
        data-offset={message.offset}
        data-state="sent"
        data-key={key}
        data-id={message.id}
        tabIndex={active ? 0 : -1}
        onFocusCapture={() => onActive(key)}
        onPointerMove={({ pointerType }) => pointerType === "mouse" && onActive(key)}
        onClick={() => onActive(key)}
      >
        <div class="margin">{leads ? <Avatar user={message.user} /> : <Time at={message.at} />}</div>
        <div class="content">
          {leads && this.#head()}
          {quoted !== undefined && <Quote quoted={quoted} onClick={() => onJump(message)} />}
          <Body message={message} pending={pending} />
          <Reactions message={message} pending={pending} me={me} />
          {this.state.confirming && <Confirmation onDelete={this.#delete} onKeep={this.#keep} />}
        </div>
        {own && message.text !== null && (
          <span class="receipt" title="Sent">
            <Icon name="check" />
            <span class="unseen">Sent</span>
          </span>
        )}
        {this.#tools()}
      </article>
    );
  }
}
