import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Message, Position, User } from "../protocol";
import { keyOf } from "../state/positions";
import type { Room } from "../state/types";
import { find } from "../state/view";
import { useActions } from "./actions";
import { Composer, type ComposerHandle, type Intent } from "./Composer";
import { MessageList } from "./MessageList";

/** Messages read out at once; of more, the last. */
const MOST_SPOKEN = 3;

/**
 * New messages of others, said to a screen reader when there is a pause. History is not news, nor is one's own. Only
 * where they are is kept: what is deleted is gone from here too.
 */
function Announcer({ room, me }: { room: Room; me: User }) {
  const [news, setNews] = useState<readonly Position[]>([]);
  const seen = useRef<number | null>(null);
  useEffect(() => {
    if (room.membership !== "live") return;
    const last = room.messages.at(-1)?.offset ?? 0;
    const from = seen.current;
    seen.current = last;
    if (from === null || last <= from) return;
    const fresh = room.messages.filter(({ offset, user }) => offset > from && user.id !== me.id);
    if (fresh.length > 0) setNews(fresh.slice(-MOST_SPOKEN).map(({ epoch, offset }) => ({ epoch, offset })));
  }, [room.messages, room.membership]);
  const spoken = news.map((place) => find(room, place)).filter((message) => typeof message?.text === "string");
  return (
    <div class="unseen" aria-live="polite">
      {spoken.map((message) => message && <p key={keyOf(message)}>{`${message.user.name}: ${message.text}`}</p>)}
    </div>
  );
}

function typingWords(names: string[]): string {
  if (names.length === 0) return "";
  if (names.length > 3) return `${names.length} people are typing…`;
  const last = names.at(-1) ?? "";
  const others = names.slice(0, -1).join(", ");
  return others ? `${others} and ${last} are typing…` : `${last} is typing…`;
}

function RoomNotices({ room }: { room: Room }) {
  const actions = useActions();
  return (
    <>
      {room.membership === "refused" && (
        <div class="banner" data-state="ended" role="alert">
          <span>This room could not be joined: {room.refusal}.</span>
          <button type="button" class="small" onClick={() => actions.rejoin(room.name)}>
            Try again
          </button>
        </div>
      )}
      {room.broken && (
        <div class="banner" data-state="degraded" role="alert" data-testid="broken">
          <span>What happened meanwhile could not be continued without a gap, so the room was loaded anew.</span>
          <button type="button" class="small" onClick={() => actions.dismiss({ room: room.name })}>
            OK
          </button>
        </div>
      )}
    </>
  );
}

export function RoomView({ room, me }: { room: Room; me: User }) {
  const [intent, setIntent] = useState<Intent>(null);
  const composer = useRef<ComposerHandle>(null);
  const reply = useCallback((message: Message) => setIntent({ type: "reply", message }), []);
  const edit = useCallback((message: Message) => setIntent({ type: "edit", message }), []);
  const rewrite = useCallback((text: string) => composer.current?.rewrite(text), []);
  return (
    <main class="room" aria-label={`Room ${room.name}`}>
      <RoomNotices room={room} />
      <MessageList room={room} me={me} onReply={reply} onEdit={edit} onRewrite={rewrite} />
      <p class="typing" data-testid="typing" aria-live="off">
        {typingWords(room.typists.map(({ user }) => user.name))}
      </p>
      <Composer room={room} me={me} intent={intent} onIntent={setIntent} handle={composer} />
      <Announcer room={room} me={me} />
    </main>
  );
}
