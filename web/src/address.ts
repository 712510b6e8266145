/** Where the backends are, seen from this page. A base is an origin, behind a gateway with a path, without a slash at its end. */

/** The base of the page's own backend: `/` of the origin, or `/async/` and the like behind a gateway. */
export const ownBase = (page: Location | URL): string => page.origin + page.pathname.replace(/\/[^/]*$/, "");

/** The twin's base: `address` is ":port" on the page's own host, "/path" of its own origin, or an absolute URL. */
export function baseOf(address: string, page: Location | URL): string {
  if (address.startsWith(":")) return `${page.protocol}//${page.hostname}${address}`;
  return new URL(address, page.origin).href.replace(/\/+$/, "");
}

/** Whether the page is at an address of a gateway at which now one backend answers, now the other. */
export const isShared = (address: string | undefined, page: Location | URL): boolean =>
  address !== undefined && address.startsWith("/") && ownBase(page) === page.origin;

export const socketOf = (base: string): string => `${base.replace(/^http/, "ws")}/ws`;
