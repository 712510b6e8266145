import { render } from "preact";
import { App } from "./components/App";
import { Connector } from "./connection";
import { openPage } from "./page";
import { Store } from "./store";
import "./styles.css";

const store = new Store();
const connector = new Connector(store);
openPage(store);
connector.reconcile();
const root = document.getElementById("app");
if (root !== null) render(<App store={store} />, root);
