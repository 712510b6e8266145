/** Where the backends are, seen from this page: links between them keep the page's own host name. */

/** The twin's origin: `address` is ":port" on the page's own host, or an absolute URL. */
export function originOf(address: string, page: Location | URL): string {
  return address.startsWith(":") ? `${page.protocol}//${page.hostname}${address}` : new URL(address).origin;
}

export const socketOf = (origin: string): string => `${origin.replace(/^http/, "ws")}/ws`;
