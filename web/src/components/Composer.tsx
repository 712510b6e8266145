import type { Ref } from "preact";
import { useEffect, useImperativeHandle, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Message, User } from "../protocol";
import type { Room } from "../state/types";
import { find, lastOwn } from "../state/view";
import { useActions } from "./actions";
import { Icon } from "./Icon";

/** Characters, as the server counts them. Far longer ones would not be refused: they would end the connection. */
const MOST = 4000;
const WARN_AT = 3600;

/** What was being written in each room when one went to another. */
const drafts = new Map<string, string>();

export type Intent = { type: "reply" | "edit"; message: Message } | null;

export interface ComposerHandle {
  rewrite(text: string): void;
}

interface Props {
  room: Room;
  me: User;
  intent: Intent;
  onIntent: (intent: Intent) => void;
  handle: Ref<ComposerHandle>;
}

interface IntentBarProps {
  type: "reply" | "edit";
  /** The message as it is now. */
  message: Message;
  onCancel: () => void;
}

function IntentBar({ type, message, onCancel }: IntentBarProps) {
  return (
    <div class="intent">
      <Icon name={type} />
      <span class="snippet">
        {type === "edit" ? "Editing" : <bdi>{message.user.name}</bdi>} <span class="quiet">{message.text ?? "deleted"}</span>
      </span>
      <button type="button" class="plain" aria-label="Cancel" onClick={onCancel}>
        <Icon name="close" />
      </button>
    </div>
  );
}

export function Composer({ room, me, intent, onIntent, handle }: Props) {
  const actions = useActions();
  const [text, setText] = useState(drafts.get(room.name) ?? "");
  const field = useRef<HTMLTextAreaElement>(null);
  const written = text.trim().normalize("NFC");
  const length = [...written].length;

  useImperativeHandle(handle, () => ({ rewrite: (rewritten: string) => setText(rewritten) }), []);
  useLayoutEffect(() => {
    if (intent !== null) field.current?.focus();
    if (intent?.type !== "edit") return;
    setText(intent.message.text ?? "");
    return () => setText(drafts.get(room.name) ?? "");
  }, [intent]);
  useEffect(() => {
    if (intent?.type !== "edit") drafts.set(room.name, text);
  }, [text]);
  useEffect(() => {
    if (matchMedia("(hover: hover)").matches) field.current?.focus(); // not on a phone: its keyboard would cover the room
  }, []);
  useLayoutEffect(() => {
    if (field.current === null) return;
    field.current.style.height = "auto";
    field.current.style.height = `${field.current.scrollHeight}px`;
  }, [text]);

  const cancel = () => onIntent(null);

  const submit = () => {
    if (length < 1 || length > MOST) return;
    if (intent?.type === "edit") {
      if (written !== intent.message.text) actions.edit(intent.message, written);
    } else {
      const target = intent && { epoch: intent.message.epoch, offset: intent.message.offset };
      actions.post(room.name, written, target);
      setText("");
    }
    onIntent(null);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && intent !== null) {
      event.stopPropagation();
      cancel();
    } else if (event.key === "ArrowUp" && text === "" && intent === null) {
      const message = lastOwn(room, me);
      if (message === undefined) return;
      event.preventDefault();
      onIntent({ type: "edit", message });
    }
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {intent !== null && (
        <IntentBar type={intent.type} message={find(room, intent.message) ?? intent.message} onCancel={cancel} />
      )}
      <div class="field">
        <textarea
          ref={field}
          rows={1}
          value={text}
          dir="auto"
          placeholder={`Message #${room.name}`}
          aria-label={intent?.type === "edit" ? "Edit the message" : `Message to ${room.name}`}
          enterkeyhint="send"
          data-testid="composer"
          onInput={(event) => {
            setText(event.currentTarget.value);
            if (event.currentTarget.value !== "") actions.typed(room.name);
          }}
          onKeyDown={onKeyDown}
        />
        <button
          type="submit"
          class="primary send"
          aria-label={intent?.type === "edit" ? "Save" : "Send"}
          disabled={length < 1 || length > MOST}
          data-testid="send"
        >
          <Icon name={intent?.type === "edit" ? "check" : "send"} />
        </button>
      </div>
      {length > WARN_AT && (
        <p class={length > MOST ? "length error" : "length quiet"} role="status" data-testid="length">
          {length} of {MOST} characters{length > MOST && ": too long to be sent"}
        </p>
      )}
    </form>
  );
}
