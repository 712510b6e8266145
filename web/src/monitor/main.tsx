import { render } from "preact";
import { App } from "./App";
import { Live } from "./live";
import "../tokens.css";
import "./monitor.css";

const root = document.getElementById("app");
if (root !== null) render(<App live={new Live()} />, root);
