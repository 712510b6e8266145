import { render } from "preact";
import { Report } from "./Report";
import { inside } from "./stored";
import "../tokens.css";
import "./monitor.css";

const root = document.getElementById("app");
if (root !== null) {
  inside(document.getElementById("run-data")).then(
    (runs) => render(<Report found={runs} said="" />, root),
    (error: unknown) => render(<Report found={null} said={error instanceof Error ? error.message : String(error)} />, root),
  );
}
