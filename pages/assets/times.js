// Adds the reader's own time to tooltips, and how long it is until something.

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
];

/** Makes the times of a part say more. */
export function times(part) {
  for (const time of part.querySelectorAll("time[datetime]:not([title])")) {
    const date = new Date(time.getAttribute("datetime").replace(" ", "T"));
    if (!Number.isNaN(date.valueOf())) time.title = LOCAL.format(date);
  }
  for (const element of part.querySelectorAll("[data-countdown]:not([data-counts])")) {
    element.dataset.counts = "";
    const shown = document.createElement("span");
    shown.className = "small";
    element.append(" ", shown);
    count(element, shown);
  }
}

/** Shows how long it still is, while the element is there. A time is no amount: it may be a JavaScript number. */
function count(element, shown) {
  if (!element.isConnected) return;
  const left = Number(element.dataset.countdown) - Math.floor(Date.now() / 1_000);
  shown.textContent = left > 0 ? `(in ${text(left)} by your clock)` : "(that is now, or past, by your clock)";
  if (left > 0) setTimeout(() => count(element, shown), left > 7_200 ? 60_000 : 1_000);
}

function text(secs) {
  const largest = UNITS.findIndex(([, unit]) => secs >= unit);
  let left = secs;
  const parts = [];
  for (const [name, unit] of UNITS.slice(largest, largest + 2)) {
    const whole = Math.floor(left / unit);
    left %= unit;
    if (whole > 0) parts.push(`${whole} ${name}`);
  }
  return parts.join(" ");
}
