import type { User } from "../protocol";
import type { Posting, Progress } from "../state/types";
import { useActions } from "./actions";
import { Avatar } from "./Person";
import { Text, Time } from "./Text";

const WORDS: Record<Progress, string> = {
  queued: "Waiting to be sent",
  sending: "Sending…",
  sent: "Sent",
  unknown: "Not confirmed yet. It will be looked for, and sent again if it did not arrive.",
  asking: "It is not known whether this arrived, and too long ago to find out. Sending it again may double it.",
  failed: "Not sent",
};

/** What tests and styles know: the five steps of waiting are two to a person. */
const STATES: Record<Progress, "sending" | "sent" | "unknown" | "failed"> = {
  queued: "sending",
  sending: "sending",
  sent: "sent",
  unknown: "unknown",
  asking: "unknown",
  failed: "failed",
};

interface Props {
  room: string;
  act: Posting;
  me: User;
  leads: boolean;
  onRewrite: (text: string) => void;
}

/** One's own message on its way to the log. */
export function PendingRow({ room, act, me, leads, onRewrite }: Props) {
  const actions = useActions();
  const decidable = act.progress === "failed" || act.progress === "asking";
  const rewrite = () => {
    actions.discard(room, act.id);
    onRewrite(act.text);
  };
  return (
    <article
      class={`row own pending ${leads ? "leads" : ""}`}
      data-testid="message"
      data-state={STATES[act.progress]}
      data-progress={act.progress}
      data-id={act.id}
    >
      <div class="margin">{leads ? <Avatar user={me} /> : <Time at={act.at} />}</div>
      <div class="content">
        {leads && (
          <div class="head">
            <span class="name">
              <bdi>{me.name}</bdi>
            </span>
            <span class="quiet">you</span>
            <Time at={act.at} />
          </div>
        )}
        <Text text={act.text} />
        <div class="progress">
          <span>
            {WORDS[act.progress]}
            {act.reason && `: ${act.reason}`}
          </span>
          {decidable && (
            <>
              <button type="button" class="small" data-testid="retry" onClick={() => actions.retry(room, act.id)}>
                {act.progress === "asking" ? "Send again" : "Try again"}
              </button>
              {act.progress === "failed" && (
                <button type="button" class="small" onClick={rewrite}>
                  Rewrite
                </button>
              )}
              <button type="button" class="small" data-testid="discard" onClick={() => actions.discard(room, act.id)}>
                Discard
              </button>
            </>
          )}
        </div>
      </div>
    </article>
  );
}
