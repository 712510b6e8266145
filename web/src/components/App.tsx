import { useEffect, useMemo, useState } from "preact/hooks";
import type { State } from "../state/types";
import { sides } from "../state/view";
import type { Store } from "../store";
import { Actions, ActionsContext } from "./actions";
import { Alert } from "./Alert";
import { Header, type Panel } from "./Header";
import { MemberList } from "./MemberList";
import { NameForm } from "./NameForm";
import { RoomView } from "./RoomView";
import { Sidebar } from "./Sidebar";

/** The state as of the last frame: however many events there are, the screen is drawn once per frame. */
function useFrames(store: Store): State {
  const [state, setState] = useState(store.state);
  useEffect(() => {
    let frame = 0;
    const draw = () => {
      frame = 0;
      setState(store.state);
    };
    const stop = store.subscribe(() => (frame ||= requestAnimationFrame(draw)));
    draw();
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, [store]);
  return state;
}

export function App({ store }: { store: Store }) {
  const state = useFrames(store);
  const actions = useMemo(() => new Actions(store), [store]);
  const [panel, setPanel] = useState<Panel>(null);
  const backend = sides(state).here?.kind;

  useEffect(() => {
    if (backend) document.documentElement.dataset["backend"] = backend;
  }, [backend]);
  useEffect(() => setPanel(null), [state.current]);
  useEffect(() => {
    const close = (event: KeyboardEvent) => event.key === "Escape" && setPanel(null);
    addEventListener("keydown", close);
    return () => removeEventListener("keydown", close);
  }, []);

  const room = state.rooms[state.current];
  if (state.user === null || room === undefined) return <NameForm state={state} store={store} />;
  return (
    <ActionsContext.Provider value={actions}>
      <div class="app" data-panel={panel}>
        <Header state={state} room={room} panel={panel} onPanel={setPanel} />
        <Sidebar state={state} />
        <RoomView key={room.name} room={room} me={state.user} />
        <MemberList room={room} me={state.user} />
        {panel && <button type="button" class="scrim" aria-label="Close" onClick={() => setPanel(null)} />}
        {state.alert && <Alert text={state.alert} />}
      </div>
    </ActionsContext.Provider>
  );
}
