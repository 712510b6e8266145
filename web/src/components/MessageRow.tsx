import { Component } from "preact";
import type { Message, User } from "../protocol";
import { keyOf } from "../state/positions";
import type { Amendment } from "../state/types";
import { reactions } from "../state/view";
import { pieces } from "../text";
import { ActionsContext, type Actions } from "./actions";
import { Icon } from "./Icon";
import { Avatar, Name } from "./Person";

export const QUICK = ["👍", "❤️", "😂", "🎉", "😮", "😢"] as const;

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

/** One message. Rows are many and change rarely, so a row is drawn again only when something about it is new. */
export class MessageRow extends Component<Props, { confirming: boolean }> {
  static override contextType = ActionsContext;
  override state = { confirming: false };

  override shouldComponentUpdate(next: Props, state: { confirming: boolean }): boolean {
    const keys = Object.keys(next) as (keyof Props)[];
    return state.confirming !== this.state.confirming || keys.some((key) => next[key] !== this.props[key]);
  }

  get #actions(): Actions {
    return this.context as Actions;
  }

  readonly #confirm = (confirming: boolean) => this.setState({ confirming });

  readonly #delete = () => {
    const { message } = this.props;
    this.#confirm(false);
    this.#actions.delete(message.room, { epoch: message.epoch, offset: message.offset });
  };

  #react(emoji: string, on: boolean): void {
    const { room, epoch, offset } = this.props.message;
    this.#actions.react(room, { epoch, offset }, emoji, on);
  }

  #body() {
    const { message, pending } = this.props;
    if (message.text === null) return <p class="text gone">Message deleted</p>;
    const editing = pending?.type === "edit";
    const edited = editing || message.edited_at;
    return (
      <>
        <Text text={editing ? pending.text : message.text} />
        {edited && <span class="aside">{editing ? "saving the edit…" : "edited"}</span>}
        {pending?.type === "delete" && <span class="aside">deleting…</span>}
      </>
    );
  }

  #quote() {
    const { message, quoted, onJump } = this.props;
    if (quoted === undefined) return null;
    return (
      <button type="button" class="quote" data-testid="quote" onClick={() => onJump(message)}>
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

  #reactions() {
    const { message, pending, me } = this.props;
    const shown = reactions(message, pending, me);
    if (shown.length === 0) return null;
    return (
      <div class="reactions">
        {shown.map(([emoji, count, mine]) => (
          <button
            key={emoji}
            type="button"
            aria-pressed={mine}
            aria-label={`${emoji} ${count}`}
            data-testid="reaction"
            data-emoji={emoji}
            onClick={() => this.#react(emoji, !mine)}
          >
            <span>{emoji}</span> {count}
          </button>
        ))}
      </div>
    );
  }

  #tools() {
    const { message, pending, me, onReply, onEdit } = this.props;
    const own = message.user.id === me.id;
    const mine = new Map(reactions(message, pending, me).map(([emoji, , on]) => [emoji, on]));
    return (
      <div class="tools-track">
        <div class="tools" role="toolbar" aria-label="Message">
          {QUICK.map((emoji, i) => (
            <button
              key={emoji}
              type="button"
              class="plain emoji"
              aria-label={`React with ${emoji}`}
              aria-pressed={mine.get(emoji) ?? false}
              data-testid={`react-${i + 1}`}
              onClick={() => this.#react(emoji, !mine.get(emoji))}
            >
              {emoji}
            </button>
          ))}
          <button type="button" class="plain" aria-label="Reply" title="Reply" data-testid="reply" onClick={() => onReply(message)}>
            <Icon name="reply" />
          </button>
          {own && (
            <button type="button" class="plain" aria-label="Edit" title="Edit" data-testid="edit" onClick={() => onEdit(message)}>
              <Icon name="edit" />
            </button>
          )}
          {own && (
            <button
              type="button"
              class="plain"
              aria-label="Delete"
              title="Delete"
              data-testid="delete"
              onClick={() => this.#confirm(true)}
            >
              <Icon name="delete" />
            </button>
          )}
        </div>
      </div>
    );
  }

  #confirmation() {
    return (
      <div class="confirm" role="group" aria-label="Delete this message?">
        <span>Delete this message for everybody?</span>
        <button type="button" class="small danger" data-testid="confirm-delete" onClick={this.#delete}>
          Delete
        </button>
        <button type="button" class="small" autofocus onClick={() => this.#confirm(false)}>
          Keep
        </button>
      </div>
    );
  }

  override render() {
    const { message, leads, me, mark, active, flashing, onActive } = this.props;
    const key = keyOf(message);
    const own = message.user.id === me.id;
    const { confirming } = this.state;
    const classes = ["row", leads && "leads", own && "own", active && "active", flashing && "flash"].filter(Boolean);
    return (
      <article
        class={classes.join(" ")}
        data-testid="message"
        data-epoch={message.epoch}
        data-offset={message.offset}
        data-state="sent"
        data-key={key}
        data-id={message.id}
        tabIndex={active ? 0 : -1}
        onFocusCapture={() => onActive(key)}
        onMouseEnter={() => onActive(key)}
        onClick={() => onActive(key)}
      >
        <div class="margin">{leads ? <Avatar user={message.user} /> : <Time at={message.at} />}</div>
        <div class="content">
          {leads && (
            <div class="head">
              <Name user={message.user} mark={mark} />
              {own && <span class="quiet">you</span>}
              <Time at={message.at} />
            </div>
          )}
          {this.#quote()}
          {this.#body()}
          {this.#reactions()}
          {confirming && this.#confirmation()}
        </div>
        {own && message.text !== null && (
          <span class="receipt" title="Sent">
            <Icon name="check" />
            <span class="unseen">Sent</span>
          </span>
        )}
        {active && !confirming && message.text !== null && this.#tools()}
      </article>
    );
  }
}
