import { expect, test } from "vitest";
import { originOf, socketOf } from "../src/address";
import { pieces } from "../src/text";

const hrefs = (text: string): (string | undefined)[] => pieces(text).flatMap(({ href }) => href ?? []);

test("nothing is lost and nothing is added", () => {
  const text = "see https://a.example/x?y=1, or <b>http://b.example</b>\nnot javascript:alert(1)";
  expect(pieces(text).map((piece) => piece.text).join("")).toBe(text);
});

test("only http and https become links", () => {
  expect(hrefs("javascript:alert(1) data:text/html,x ftp://a.example file:///etc")).toEqual([]);
  expect(hrefs("HTTPS://A.example/")).toEqual(["https://a.example/"]);
  expect(hrefs("xhttp://a.example http://")).toEqual([]);
});

test("what ends the sentence is not part of the address", () => {
  expect(hrefs("(https://a.example/b). https://a.example/c_(d)! https://a.example?")).toEqual([
    "https://a.example/b",
    "https://a.example/c_(d)",
    "https://a.example/",
  ]);
});

test("a quote ends an address", () => {
  expect(hrefs('<a href="https://a.example/">')).toEqual(["https://a.example/"]);
});

test("the twin is on the page's own host, unless its address says otherwise", () => {
  const page = new URL("http://chat.lan:8001/#lobby");
  expect(originOf(":8002", page)).toBe("http://chat.lan:8002");
  expect(originOf("https://other.example/x", page)).toBe("https://other.example");
  expect(originOf(":8002", new URL("http://[::1]:8001/"))).toBe("http://[::1]:8002");
  expect(socketOf("https://other.example")).toBe("wss://other.example/ws");
});
