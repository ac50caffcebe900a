// What every page starts. All of it only helps: each page is whole without it.

import { copies } from "./copy.js";
import { follow } from "./live.js";
import { sorts } from "./tables.js";
import { times } from "./times.js";

/** Helps with a part of the page that is new. */
function help(part) {
  copies(part);
  times(part);
  sorts(part);
  // Few pages have a place for wallets.
  if (part.querySelector("#wallet")) import("./wallet.js").then(({ wallet }) => wallet(part));
}

help(document);
follow(help);
