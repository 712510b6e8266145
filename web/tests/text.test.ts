import { expect, test } from "vitest";
import { baseOf, isShared, ownBase, socketOf } from "../src/address";
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
  expect(baseOf(":8002", page)).toBe("http://chat.lan:8002");
  expect(baseOf(":8002", new URL("http://[::1]:8001/"))).toBe("http://[::1]:8002");
  expect(baseOf("/sync", page)).toBe("http://chat.lan:8001/sync");
  expect(baseOf("https://other.example", page)).toBe("https://other.example");
  expect(baseOf("https://other.example/sync/", page)).toBe("https://other.example/sync");
  expect(socketOf("https://other.example/sync")).toBe("wss://other.example/sync/ws");
});

test("a page knows its own backend by its path, unless a gateway chooses for it", () => {
  const [shared, own] = [new URL("https://chat.lan/#lobby"), new URL("https://chat.lan/async/?x=/#lobby")];
  expect([shared, own].map(ownBase)).toEqual(["https://chat.lan", "https://chat.lan/async"]);
  expect([shared, own].map((page) => isShared("/sync", page))).toEqual([true, false]);
  expect([":8002", "https://chat.lan/sync", undefined].map((address) => isShared(address, shared))).toEqual([false, false, false]);
});
