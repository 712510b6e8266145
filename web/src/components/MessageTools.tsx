import type { Message, User } from "../protocol";
import type { Amendment } from "../state/types";
import { reactions } from "../state/view";
import { useActions } from "./actions";
import { Icon } from "./Icon";

const QUICK = ["👍", "❤️", "😂", "🎉", "😮", "😢"] as const;

interface Props {
  message: Message;
  pending: Amendment | undefined;
  me: User;
}

/** Who reacted with what; a click joins them or leaves them. */
export function Reactions({ message, pending, me }: Props) {
  const actions = useActions();
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
          onClick={() => actions.react(message, emoji, !mine)}
        >
          <span>{emoji}</span> {count}
        </button>
      ))}
    </div>
  );
}

interface ToolProps {
  name: "reply" | "edit" | "delete";
  label: string;
  onClick: () => void;
}

const Tool = ({ name, label, onClick }: ToolProps) => (
  <button type="button" class="plain" aria-label={label} title={label} data-testid={name} onClick={onClick}>
    <Icon name={name} />
  </button>
);

type ToolsProps = Props & { onReply: () => void; onEdit: () => void; onDelete: () => void };

/** What can be done with a message. */
export function Tools({ message, pending, me, onReply, onEdit, onDelete }: ToolsProps) {
  const actions = useActions();
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
            onClick={() => actions.react(message, emoji, !mine.get(emoji))}
          >
            {emoji}
          </button>
        ))}
        <Tool name="reply" label="Reply" onClick={onReply} />
        {own && <Tool name="edit" label="Edit" onClick={onEdit} />}
        {own && <Tool name="delete" label="Delete" onClick={onDelete} />}
      </div>
    </div>
  );
}
