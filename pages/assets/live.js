// Keeps a page up to date: when the server's state changed, the page is fetched again and its main part swapped.

/** After so many milliseconds without a word from the server, the stream counts as gone. It says a word every 15 s. */
const SILENCE_MS = 45_000;

/** How long to wait before an address that failed is asked again, in milliseconds. */
const AGAIN_MS = 3_000;

/** How often the page is fetched though nothing is said to have changed: how far the server is behind tells nobody. */
const LOOK_MS = 60_000;

/** Follows the server's state; `help` is told of each part that is new. */
export function follow(help) {
  const line = document.getElementById("live");
  if (!line?.dataset.changes) return;
  let stream;
  let silence;
  let busy = false;
  let again = false;

  const say = (text) => {
    if (line.textContent !== text) line.textContent = text;
  };

  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(lost, SILENCE_MS);
  };

  const lost = () => {
    say("The connection to the server is gone: what you see may be old. It is tried again.");
    stream?.close();
    clearTimeout(silence);
    silence = setTimeout(open, AGAIN_MS);
  };

  const open = () => {
    stream?.close();
    stream = new EventSource(line.dataset.changes);
    stream.onopen = heard;
    stream.onmessage = () => {
      heard();
      refresh();
    };
    stream.onerror = () => {
      // A browser tries again by itself, unless it was refused.
      if (stream.readyState === EventSource.CLOSED) lost();
      else say("The connection to the server is gone: what you see may be old. It is tried again.");
    };
    heard();
  };

  const refresh = async () => {
    again = true;
    if (busy) return;
    busy = true;
    try {
      while (again) {
        again = false;
        const answer = await fetch(location.href, { cache: "no-cache", headers: { accept: "text/html" } });
        if (answer.status === 401) {
          say("Your session has ended: load the page again and log in. What you see may be old.");
          continue;
        }
        if (!answer.ok) {
          say(`The server answers with ${answer.status}: what you see may be old. It is tried again.`);
          setTimeout(refresh, 1_000 * (parseInt(answer.headers.get("retry-after"), 10) || AGAIN_MS / 1_000));
          continue;
        }
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        swap(page, line, help);
        say("");
      }
    } catch {
      say("The server cannot be reached: what you see may be old. It is tried again.");
      setTimeout(refresh, AGAIN_MS);
    } finally {
      busy = false;
    }
  };

  setInterval(refresh, LOOK_MS);
  addEventListener("pagehide", () => stream?.close());
  addEventListener("pageshow", (event) => event.persisted && open());
  open();
}

/** Puts the main part of another state of the page in the place of this one. */
function swap(page, line, help) {
  const state = page.getElementById("live")?.dataset.state;
  const main = page.getElementById("main");
  if (!state || !main || state === line.dataset.state) return;
  const old = document.getElementById("main");
  const held = hold(old);
  const next = document.importNode(main, true);
  keep(old, next);
  old.replaceWith(next);
  for (const name of ["state"]) {
    const from = page.getElementById(name);
    const to = document.getElementById(name);
    if (from && to) to.replaceWith(document.importNode(from, true));
  }
  const foot = page.querySelector("footer");
  if (foot) document.querySelector("footer")?.replaceWith(document.importNode(foot, true));
  document.title = page.title;
  line.dataset.state = state;
  help(document);
  held(next);
  next.classList.add("fresh");
}

/** Moves parts that have a life of their own into the new main part, where it has them, too. */
function keep(old, next) {
  for (const part of old.querySelectorAll("[data-keep]")) {
    const place = next.querySelector(`#${CSS.escape(part.id)}`);
    if (place && ("busy" in part.dataset || same(part, place))) place.replaceWith(part);
  }
}

/** What scripts note at an element. */
const NOTED = ["busy", "found"];

/** Whether two elements were made of the same call. */
function same(one, other) {
  const names = Object.keys({ ...one.dataset, ...other.dataset }).filter((name) => !NOTED.includes(name));
  return names.every((name) => one.dataset[name] === other.dataset[name]);
}

/** The way to an element from above: what it is called, or which child it is. */
function way(element, top) {
  const steps = [];
  for (let at = element; at && at !== top; at = at.parentElement) {
    if (at.id) return [`#${CSS.escape(at.id)}`, ...steps.reverse()];
    steps.push([...at.parentElement.children].indexOf(at));
  }
  return steps.reverse();
}

/** The element at the end of a way. */
function at(steps, top) {
  return steps.reduce((found, step) => (typeof step === "string" ? top.querySelector(step) : found?.children[step]), top);
}

/** Remembers what the reader did to a part: focus, selection, what is typed, open details, sorted tables, places scrolled to. */
function hold(old) {
  const active = old.contains(document.activeElement) ? document.activeElement : null;
  const focus = active && active !== old ? way(active, old) : null;
  const range = focus && "selectionStart" in active ? [active.selectionStart, active.selectionEnd] : null;
  const selected = selection(old);
  const typed = [...old.querySelectorAll("input[id], select[id]")].map((input) => [input.id, input.value, input.checked]);
  const opened = [...old.querySelectorAll("details[open]")].map((part) => way(part, old));
  const sorted = [...old.querySelectorAll("th[aria-sort]")].map((head) => [way(head, old), head.getAttribute("aria-sort")]);
  const scrolled = [...old.querySelectorAll(".scroll")].map((part) => [way(part, old), part.scrollLeft, part.scrollTop]);
  const [left, top] = [scrollX, scrollY];
  return (next) => {
    for (const [id, value, checked] of typed) {
      const input = next.querySelector(`#${CSS.escape(id)}`);
      if (input) [input.value, input.checked] = [value, checked];
    }
    for (const steps of opened) at(steps, next)?.setAttribute("open", "");
    for (const [steps, order] of sorted) at(steps, next)?.dispatchEvent(new CustomEvent("sort-again", { detail: order }));
    for (const [steps, x, y] of scrolled) at(steps, next)?.scrollTo(x, y);
    if (focus) {
      const found = at(focus, next);
      found?.focus({ preventScroll: true });
      if (range && found?.setSelectionRange) found.setSelectionRange(...range);
    }
    selected(next);
    scrollTo(left, top);
  };
}

/** Remembers the text that is selected. */
function selection(old) {
  const chosen = getSelection();
  const range = chosen && chosen.rangeCount > 0 && !chosen.isCollapsed ? chosen.getRangeAt(0) : null;
  if (!range || !old.contains(range.commonAncestorContainer)) return () => {};
  const end = (node, offset) => {
    const parent = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    return [way(parent, old), [...parent.childNodes].indexOf(node), offset];
  };
  const ends = [end(range.startContainer, range.startOffset), end(range.endContainer, range.endOffset)];
  return (next) => {
    const [from, to] = ends.map(([steps, child, offset]) => {
      const parent = at(steps, next);
      const node = child < 0 ? parent : parent?.childNodes[child];
      const length = node?.nodeType === Node.TEXT_NODE ? node.length : (node?.childNodes.length ?? 0);
      return [node, Math.min(offset, length)];
    });
    if (from[0] && to[0]) chosen.setBaseAndExtent(from[0], from[1], to[0], to[1]);
  };
}
