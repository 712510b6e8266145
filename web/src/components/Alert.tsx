import { useActions } from "./actions";
import { Icon } from "./Icon";

/** Something that happened out of sight and the person should know. */
export function Alert({ text }: { text: string }) {
  const actions = useActions();
  return (
    <div class="alert" role="alert">
      <span>{text}</span>
      <button type="button" class="plain" aria-label="Dismiss" onClick={() => actions.dismiss("alert")}>
        <Icon name="close" />
      </button>
    </div>
  );
}
